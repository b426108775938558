//! Who is talking: the relay's certificate, the client's trust in it, and the password suite.
//!
//! Owns making, loading and reloading certificates ([`identity`]), their fingerprints ([`fingerprint`]), the
//! decision whether to trust one ([`trust`], [`pins`]), secret files ([`secret_file`]) and OPAQUE with its
//! parameters ([`password`], bound to a connection by its [`exporter`]). It never opens a socket and never sees a message.
//!
//! Invariants: TLS is 1.3 or nothing; a handshake's signature is verified on every path, pinned or not; a file
//! that holds a secret is never readable by others, not even for a moment.

mod atomic_file;
pub mod exporter;
pub mod fingerprint;
pub mod identity;
pub mod password;
pub mod pins;
pub mod secret_file;
pub mod tls;
pub mod trust;

pub use fingerprint::fingerprint_of;
pub use identity::{IdentityError, RelayIdentity, Reload};
pub use pins::{PinError, PinStore};
pub use tls::ALPN;
pub use trust::{Expectation, TrustError};
