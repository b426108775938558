//! Passwords that the relay never learns: OPAQUE (RFC 9807) with its parameters fixed.
//!
//! Owns the cipher suite, the key stretching, the preparation of passwords (RFC 8265 `OpaqueString`) and one type per
//! step of registration and login, each consumed by the next. It never stores, sends or logs anything.
//!
//! Invariants: only clients stretch, so that a login costs the relay no Argon2; an unknown name and a wrong password look alike
//! from outside; `Debug` shows no secret, and secrets are wiped when dropped. The parameters are part of every stored
//! record: changing one of them locks every account out, so a new set needs a new suite beside this one.
//!
//! A message is opaque bytes of the fixed lengths below. Registration is request → response → upload, login is request →
//! response → finalization. Both are wire-compatible with `@serenity-kit/opaque` and its `memory-constrained` stretching.

use std::fmt;
use std::path::Path;

use argon2::{Algorithm, Argon2, Params, Version};
use opaque_ke::errors::{InternalError, ProtocolError};
use opaque_ke::generic_array::{ArrayLength, GenericArray};
use opaque_ke::{
    ClientLoginFinishParameters, ClientRegistrationFinishParameters, CredentialFinalization,
    CredentialRequest, CredentialResponse, Identifiers, RegistrationRequest, RegistrationResponse,
    RegistrationUpload, Ristretto255, ServerLoginParameters, ServerRegistration, ServerSetup, TripleDh,
};
use precis_profiles::OpaqueString;
use precis_profiles::precis_core::profile::PrecisFastInvocation as _;
use rand::rngs::OsRng;
use secrecy::zeroize::Zeroizing;
use secrecy::{ExposeSecret, SecretSlice, SecretString};
use sha2_010::Sha512;

use crate::secret_file::{self, SecretFileError};

/// The label under which both ends export the TLS session's binding (RFC 8446, section 7.5), without a context.
pub const EXPORTER_LABEL: &[u8] = b"EXPORTER-mechat-login";
/// The exported binding's length, in bytes.
pub const BINDING_LEN: usize = 32;

/// A registration request's length, in bytes.
pub const REGISTRATION_REQUEST_LEN: usize = 32;
/// A registration response's length, in bytes.
pub const REGISTRATION_RESPONSE_LEN: usize = 64;
/// A registration upload's length, in bytes; the stored record is as long.
pub const REGISTRATION_UPLOAD_LEN: usize = 192;
/// A login request's length, in bytes.
pub const LOGIN_REQUEST_LEN: usize = 96;
/// A login response's length, in bytes.
pub const LOGIN_RESPONSE_LEN: usize = 320;
/// A login finalization's length, in bytes.
pub const LOGIN_FINALIZATION_LEN: usize = 64;
/// The relay's serialised keys' length, in bytes.
pub const SERVER_KEYS_LEN: usize = 128;

/// The longest password, in bytes of UTF-8 once prepared: room for a long sentence in any script.
pub const PASSWORD_LEN_MAX: usize = 1024;

/// Argon2id's memory, in KiB (RFC 9106, second recommended option).
const STRETCH_MEMORY_KIB: u32 = 65_536;
const STRETCH_PASSES: u32 = 3;
const STRETCH_LANES: u32 = 4;

/// The cipher suite: OPAQUE-3DH over ristretto255 with SHA-512 and Argon2id.
#[derive(Debug, Clone, Copy)]
pub struct Suite;

impl opaque_ke::CipherSuite for Suite {
    type OprfCs = Ristretto255;
    type KeyExchange = TripleDh<Ristretto255, Sha512>;
    type Ksf = Stretch;
}

/// Argon2id with m = 64 MiB, t = 3, p = 4: about 57 ms on the client, for every guess of a thief.
#[derive(Debug, Clone, Copy, Default)]
pub struct Stretch;

impl opaque_ke::ksf::Ksf for Stretch {
    fn hash<L: ArrayLength<u8>>(
        &self,
        input: GenericArray<u8, L>,
    ) -> Result<GenericArray<u8, L>, InternalError> {
        let params = Params::new(STRETCH_MEMORY_KIB, STRETCH_PASSES, STRETCH_LANES, None)
            .map_err(|_| InternalError::KsfError)?;
        // RFC 9807 salts before the stretching, by the OPRF with the account's own key; this salt is fixed.
        let salt = [0; argon2::RECOMMENDED_SALT_LEN];
        let mut output = GenericArray::default();
        Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
            .hash_password_into(&input, &salt, &mut output)
            .map_err(|_| InternalError::KsfError)?;
        Ok(output)
    }
}

/// A step of registration or login failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PasswordError {
    /// The user's doing: the profile refuses the password. Positions are characters, from 1.
    #[error("this password cannot be used: {0}")]
    Refused(Refusal),
    /// The user's doing: wrong password, unknown name, or the two ends saw different TLS sessions. Nobody can tell which.
    #[error("the name or the password is wrong; check both and try again")]
    Wrong,
    /// The peer's doing: not the bytes that this step takes.
    #[error("the peer sent a {what} that is not one: {expected} bytes are valid, {found} came")]
    Length {
        /// Which message.
        what: &'static str,
        /// Its length, in bytes.
        expected: usize,
        /// What came, in bytes.
        found: usize,
    },
    /// The peer's doing: the right length, but no valid group elements in it.
    #[error("the peer sent a {what} with invalid contents")]
    Contents {
        /// Which message.
        what: &'static str,
    },
    /// Our doing: the key stretching failed, which takes 64 MiB of memory.
    #[error("the password could not be stretched; 64 MiB of memory must be free")]
    Stretching,
}

/// Why a password cannot be used. Never holds a piece of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Nothing is left to protect anything.
    #[error("it is empty; any visible characters and spaces are valid")]
    Empty,
    /// A control character or one that Unicode does not assign (RFC 8264's `FreeformClass`).
    #[error(
        "character {position} is a control or unassigned character; letters, digits, symbols and spaces are valid"
    )]
    Character {
        /// Which one, from 1.
        position: usize,
    },
    /// Longer than [`PASSWORD_LEN_MAX`].
    #[error("it is longer than {PASSWORD_LEN_MAX} bytes; choose a shorter one")]
    TooLong,
}

/// Prepares a password as RFC 8265 says, so that the same keys typed on another system give the same bytes.
fn prepare(password: &SecretString) -> Result<SecretString, PasswordError> {
    let given = password.expose_secret();
    let too_long = given.len() > PASSWORD_LEN_MAX;
    if too_long {
        return Err(PasswordError::Refused(Refusal::TooLong));
    }
    match OpaqueString::enforce(given) {
        Ok(prepared) if prepared.len() <= PASSWORD_LEN_MAX => Ok(SecretString::from(prepared.into_owned())),
        Ok(prepared) => {
            drop(Zeroizing::new(prepared.into_owned()));
            Err(PasswordError::Refused(Refusal::TooLong))
        }
        Err(error) => Err(PasswordError::Refused(refusal(&error))),
    }
}

fn refusal(error: &precis_profiles::precis_core::Error) -> Refusal {
    use precis_profiles::precis_core::{Error, UnexpectedError};
    match error {
        Error::BadCodepoint(at)
        | Error::Unexpected(
            UnexpectedError::ContextRuleNotApplicable(at) | UnexpectedError::MissingContextRule(at),
        ) => Refusal::Character { position: at.position + 1 },
        Error::Invalid | Error::Unexpected(_) => Refusal::Empty,
    }
}

/// The client that waits for the registration's response.
pub struct ClientRegistration {
    state: opaque_ke::ClientRegistration<Suite>,
    password: SecretString,
}

impl ClientRegistration {
    /// Begins a registration; the bytes are the request.
    pub fn start(password: &SecretString) -> Result<(Self, Vec<u8>), PasswordError> {
        let password = prepare(password)?;
        let bytes = password.expose_secret().as_bytes();
        let started = opaque_ke::ClientRegistration::start(&mut OsRng, bytes)
            .map_err(|error| fault(error, "registration request"))?;
        Ok((Self { state: started.state, password }, started.message.serialize().to_vec()))
    }

    /// Ends the registration; the bytes are the upload. Stretches: call it off the runtime's threads.
    pub fn finish(self, response: &[u8]) -> Result<Vec<u8>, PasswordError> {
        const WHAT: &str = "registration response";
        check_len(WHAT, response, REGISTRATION_RESPONSE_LEN)?;
        let response = RegistrationResponse::deserialize(response).map_err(|error| fault(error, WHAT))?;
        let parameters = ClientRegistrationFinishParameters::new(Identifiers::default(), Some(&Stretch));
        let finished = self
            .state
            .finish(&mut OsRng, self.password.expose_secret().as_bytes(), response, parameters)
            .map_err(|error| fault(error, WHAT))?;
        Ok(finished.message.serialize().to_vec())
    }
}

/// The client that waits for the login's response.
pub struct ClientLogin {
    state: opaque_ke::ClientLogin<Suite>,
    password: SecretString,
}

impl ClientLogin {
    /// Begins a login; the bytes are the request.
    pub fn start(password: &SecretString) -> Result<(Self, Vec<u8>), PasswordError> {
        let password = prepare(password)?;
        let bytes = password.expose_secret().as_bytes();
        let started = opaque_ke::ClientLogin::start(&mut OsRng, bytes)
            .map_err(|error| fault(error, "login request"))?;
        Ok((Self { state: started.state, password }, started.message.serialize().to_vec()))
    }

    /// Checks that the relay holds the record, and ends the login; the bytes are the finalization. `binding` is what both
    /// ends exported from TLS under [`EXPORTER_LABEL`], or none at both. Stretches: call it off the runtime's threads.
    ///
    /// [`PasswordError::Wrong`] is a wrong password, an unknown name, or a binding that differs.
    pub fn finish(self, response: &[u8], binding: Option<&[u8]>) -> Result<Vec<u8>, PasswordError> {
        const WHAT: &str = "login response";
        check_len(WHAT, response, LOGIN_RESPONSE_LEN)?;
        let response = CredentialResponse::deserialize(response).map_err(|error| fault(error, WHAT))?;
        let parameters = ClientLoginFinishParameters::new(binding, Identifiers::default(), Some(&Stretch));
        let finished = self
            .state
            .finish(&mut OsRng, self.password.expose_secret().as_bytes(), response, parameters)
            .map_err(|error| fault(error, WHAT))?;
        Ok(finished.message.serialize().to_vec())
    }
}

/// The relay's side of every account: the OPRF seed and the key pair. Losing them locks every account out.
pub struct ServerKeys(ServerSetup<Suite>);

impl ServerKeys {
    /// New keys, for a relay's first start.
    pub fn generate() -> Self {
        Self(ServerSetup::new(&mut OsRng))
    }

    /// The keys in a secret file, made there on first start.
    pub fn load_or_create(path: &Path) -> Result<Self, ServerKeysError> {
        let bytes = secret_file::load_or_create(path, || Self::generate().to_bytes())?;
        Self::from_bytes(bytes.expose_secret())
            .map_err(|source| ServerKeysError::Contents { path: path.to_owned(), source })
    }

    /// The keys as [`SERVER_KEYS_LEN`] bytes, to be kept as secret as they are.
    pub fn to_bytes(&self) -> SecretSlice<u8> {
        let bytes = Zeroizing::new(<[u8; SERVER_KEYS_LEN]>::from(self.0.serialize()));
        bytes.to_vec().into()
    }

    /// The keys of which [`ServerKeys::to_bytes`] gave the bytes.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, PasswordError> {
        const WHAT: &str = "set of OPAQUE keys";
        check_len(WHAT, bytes, SERVER_KEYS_LEN)?;
        ServerSetup::deserialize(bytes).map(Self).map_err(|error| fault(error, WHAT))
    }
}

/// The relay's OPAQUE keys cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum ServerKeysError {
    /// The file.
    #[error(transparent)]
    File(#[from] SecretFileError),
    /// What is in it.
    #[error("{} does not hold this relay's OPAQUE keys ({SERVER_KEYS_LEN} bytes); restore it from a backup", path.display())]
    Contents {
        /// The file.
        path: std::path::PathBuf,
        /// What is wrong.
        source: PasswordError,
    },
}

/// Answers a registration's request. `name` is the account's, case-folded: it goes into the record's key, so a
/// renamed account must register anew.
pub fn server_registration(keys: &ServerKeys, request: &[u8], name: &str) -> Result<Vec<u8>, PasswordError> {
    const WHAT: &str = "registration request";
    check_len(WHAT, request, REGISTRATION_REQUEST_LEN)?;
    let request = RegistrationRequest::deserialize(request).map_err(|error| fault(error, WHAT))?;
    let started = ServerRegistration::<Suite>::start(&keys.0, request, name.as_bytes())
        .map_err(|error| fault(error, WHAT))?;
    Ok(started.message.serialize().to_vec())
}

/// Checks a registration's upload; the bytes are the record to store with the account.
pub fn registration_record(upload: &[u8]) -> Result<Vec<u8>, PasswordError> {
    const WHAT: &str = "registration upload";
    check_len(WHAT, upload, REGISTRATION_UPLOAD_LEN)?;
    let upload = RegistrationUpload::<Suite>::deserialize(upload).map_err(|error| fault(error, WHAT))?;
    Ok(ServerRegistration::finish(upload).serialize().to_vec())
}

/// The relay that waits for the login's finalization.
pub struct ServerLogin {
    state: opaque_ke::ServerLogin<Suite>,
    binding: Option<Vec<u8>>,
}

impl ServerLogin {
    /// Answers a login's request; the bytes are the response. Without a `record` (an unknown name) the response is a fake
    /// that only a right password could tell from a true one, and [`ServerLogin::finish`] will say wrong.
    pub fn start(
        keys: &ServerKeys,
        record: Option<&[u8]>,
        request: &[u8],
        name: &str,
        binding: Option<&[u8]>,
    ) -> Result<(Self, Vec<u8>), PasswordError> {
        const WHAT: &str = "login request";
        check_len(WHAT, request, LOGIN_REQUEST_LEN)?;
        let request = CredentialRequest::deserialize(request).map_err(|error| fault(error, WHAT))?;
        let record = record.map(stored_record).transpose()?;
        let parameters = ServerLoginParameters { context: binding, identifiers: Identifiers::default() };
        let started =
            opaque_ke::ServerLogin::start(&mut OsRng, &keys.0, record, request, name.as_bytes(), parameters)
                .map_err(|error| fault(error, WHAT))?;
        let login = Self { state: started.state, binding: binding.map(<[u8]>::to_vec) };
        Ok((login, started.message.serialize().to_vec()))
    }

    /// Checks that the client knew the password: `Ok` is the proof of it.
    pub fn finish(self, finalization: &[u8]) -> Result<(), PasswordError> {
        const WHAT: &str = "login finalization";
        check_len(WHAT, finalization, LOGIN_FINALIZATION_LEN)?;
        let finalization =
            CredentialFinalization::deserialize(finalization).map_err(|error| fault(error, WHAT))?;
        let context = self.binding.as_deref();
        self.state
            .finish(finalization, ServerLoginParameters { context, identifiers: Identifiers::default() })
            .map(drop)
            .map_err(|error| fault(error, WHAT))
    }
}

fn stored_record(record: &[u8]) -> Result<ServerRegistration<Suite>, PasswordError> {
    const WHAT: &str = "stored record";
    check_len(WHAT, record, REGISTRATION_UPLOAD_LEN)?;
    ServerRegistration::deserialize(record).map_err(|error| fault(error, WHAT))
}

/// opaque-ke ignores what follows a message; here a message is exact.
fn check_len(what: &'static str, bytes: &[u8], expected: usize) -> Result<(), PasswordError> {
    match bytes.len() {
        found if found == expected => Ok(()),
        found => Err(PasswordError::Length { what, expected, found }),
    }
}

fn fault(error: ProtocolError, what: &'static str) -> PasswordError {
    match error {
        ProtocolError::InvalidLoginError => PasswordError::Wrong,
        ProtocolError::LibraryError(InternalError::KsfError) => PasswordError::Stretching,
        _ => PasswordError::Contents { what },
    }
}

/// One line each: the name, and that there is more that is nobody's business.
macro_rules! redact {
    ($($secret:ty),+) => {$(
        impl fmt::Debug for $secret {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(concat!(stringify!($secret), "([redacted])"))
            }
        }
    )+};
}
redact!(ClientRegistration, ClientLogin, ServerKeys, ServerLogin);

#[cfg(test)]
mod tests;
