//! A client's side of OPAQUE whose key stretching remembers: the generator stretches a password once, not for each login.
//!
//! The suite is that of [`mechat_certs::password`] in all that goes over the wire. Nothing is gained by it for an attacker: it
//! remembers what it has computed itself.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::anyhow;
use mechat_certs::password::Stretch;
use opaque_ke::errors::{InternalError, ProtocolError};
use opaque_ke::generic_array::{ArrayLength, GenericArray};
use opaque_ke::ksf::Ksf;
use opaque_ke::{
    ClientLogin, ClientLoginFinishParameters, ClientRegistration, ClientRegistrationFinishParameters,
    CredentialResponse, Identifiers, RegistrationResponse, Ristretto255, TripleDh,
};
use rand::rngs::OsRng;
use sha2_010::Sha512;

/// The relay's suite, with a stretching that remembers.
struct Suite;

impl opaque_ke::CipherSuite for Suite {
    type OprfCs = Ristretto255;
    type KeyExchange = TripleDh<Ristretto255, Sha512>;
    type Ksf = Stretched;
}

/// Argon2id as every client does it, each input once. As many entries as there are passwords in a measurement.
#[derive(Clone, Default)]
pub(crate) struct Stretched(Arc<Mutex<HashMap<Vec<u8>, Vec<u8>>>>);

impl fmt::Debug for Stretched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Stretched([redacted])")
    }
}

impl Ksf for Stretched {
    fn hash<L: ArrayLength<u8>>(
        &self,
        input: GenericArray<u8, L>,
    ) -> Result<GenericArray<u8, L>, InternalError> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(output) = known.get(input.as_slice()) {
            return Ok(GenericArray::clone_from_slice(output));
        }
        let output = Stretch.hash(input.clone())?;
        known.insert(input.to_vec(), output.to_vec());
        Ok(output)
    }
}

/// A registration that waits for its response.
pub(crate) struct Registration(ClientRegistration<Suite>);

impl Registration {
    /// The bytes are the request.
    pub(crate) fn start(password: &str) -> anyhow::Result<(Self, Vec<u8>)> {
        let started = ClientRegistration::start(&mut OsRng, password.as_bytes()).map_err(fault)?;
        Ok((Self(started.state), started.message.serialize().to_vec()))
    }

    /// The bytes are the upload.
    pub(crate) fn finish(
        self,
        password: &str,
        response: &[u8],
        stretched: &Stretched,
    ) -> anyhow::Result<Vec<u8>> {
        let response = RegistrationResponse::deserialize(response).map_err(fault)?;
        let parameters = ClientRegistrationFinishParameters::new(Identifiers::default(), Some(stretched));
        let finished = self.0.finish(&mut OsRng, password.as_bytes(), response, parameters).map_err(fault)?;
        Ok(finished.message.serialize().to_vec())
    }
}

/// A login that waits for its response.
pub(crate) struct Login(ClientLogin<Suite>);

impl Login {
    /// The bytes are the request.
    pub(crate) fn start(password: &str) -> anyhow::Result<(Self, Vec<u8>)> {
        let started = ClientLogin::start(&mut OsRng, password.as_bytes()).map_err(fault)?;
        Ok((Self(started.state), started.message.serialize().to_vec()))
    }

    /// The bytes are the finalization.
    pub(crate) fn finish(
        self,
        password: &str,
        response: &[u8],
        binding: &[u8],
        stretched: &Stretched,
    ) -> anyhow::Result<Vec<u8>> {
        let response = CredentialResponse::deserialize(response).map_err(fault)?;
        let parameters =
            ClientLoginFinishParameters::new(Some(binding), Identifiers::default(), Some(stretched));
        let finished = self.0.finish(&mut OsRng, password.as_bytes(), response, parameters).map_err(fault)?;
        Ok(finished.message.serialize().to_vec())
    }
}

fn fault(error: ProtocolError) -> anyhow::Error {
    anyhow!("OPAQUE: {error}")
}

#[cfg(test)]
mod tests {
    use mechat_certs::password::{ServerKeys, ServerLogin, registration_record, server_registration};

    use super::*;

    #[test]
    fn the_relays_side_accepts_it_and_refuses_another_password() {
        let (keys, stretched) = (ServerKeys::generate(), Stretched::default());
        let (registration, request) = Registration::start("open sesame").expect("starts");
        let response = server_registration(&keys, &request, "ada").expect("answers");
        let upload = registration.finish("open sesame", &response, &stretched).expect("finishes");
        let record = registration_record(&upload).expect("a record");
        let prove = |password: &str| -> anyhow::Result<()> {
            let (login, request) = Login::start(password)?;
            let (server, response) = ServerLogin::start(&keys, Some(&record), &request, "ada", Some(b"tls"))?;
            Ok(server.finish(&login.finish(password, &response, b"tls", &stretched)?)?)
        };
        prove("open sesame").expect("the same password");
        assert!(prove("open barley").is_err());
        let known = stretched.0.lock().expect("nothing panicked");
        assert_eq!(known.len(), 2, "each password was stretched once");
    }
}
