//! Certificates as files: made, loaded, spoiled, replaced.

use std::fs;
use std::time::{Duration, SystemTime};

use rcgen::KeyPair;
use rustls::RootCertStore;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};

use super::*;

const DAY: Duration = Duration::from_hours(24);

fn directory() -> tempfile::TempDir {
    tempfile::tempdir().expect("a directory")
}

fn create(directory: &Path) -> RelayIdentity {
    RelayIdentity::load_or_create(directory, &[]).expect("an identity")
}

#[test]
fn the_first_start_makes_it_and_the_next_finds_it() {
    let directory = directory();
    let state = directory.path().join("state");
    let first = create(&state);
    let second = create(&state);
    assert_eq!(first.fingerprint(), second.fingerprint());
    let files = RelayIdentity::from_files(state.join(CERTIFICATE_FILE), state.join(KEY_FILE));
    assert_eq!(files.expect("a good pair").fingerprint(), first.fingerprint());
    assert_ne!(create(&directory.path().join("other")).fingerprint(), first.fingerprint());
}

#[cfg(unix)]
#[test]
fn the_key_is_the_owners_alone() {
    use std::os::unix::fs::PermissionsExt;
    let directory = directory();
    create(directory.path());
    let key = directory.path().join(KEY_FILE);
    assert_eq!(fs::metadata(&key).expect("there").permissions().mode() & 0o777, 0o600);
    fs::set_permissions(&key, fs::Permissions::from_mode(0o640)).expect("changed");
    let given = RelayIdentity::from_files(directory.path().join(CERTIFICATE_FILE), key);
    for refused in [RelayIdentity::load_or_create(directory.path(), &[]), given] {
        let error = refused.expect_err("others can read it").to_string();
        assert!(error.contains("0640") && error.contains("chmod 600"), "{error}");
    }
}

#[test]
fn a_crash_between_the_two_files_is_made_good() {
    let directory = directory();
    let before = create(directory.path());
    let key = fs::read(directory.path().join(KEY_FILE)).expect("there");
    fs::remove_file(directory.path().join(CERTIFICATE_FILE)).expect("removed");
    let after = create(directory.path());
    assert_ne!(after.fingerprint(), before.fingerprint(), "a new certificate");
    assert_eq!(fs::read(directory.path().join(KEY_FILE)).expect("there"), key, "of the key that was there");
}

#[test]
fn a_certificate_without_its_key_is_not_replaced_behind_ones_back() {
    let directory = directory();
    create(directory.path());
    let certificate = fs::read(directory.path().join(CERTIFICATE_FILE)).expect("there");
    fs::remove_file(directory.path().join(KEY_FILE)).expect("removed");
    let error = RelayIdentity::load_or_create(directory.path(), &[]).expect_err("no key").to_string();
    assert!(error.contains("relay-key.pem is missing") && error.contains("restore the key"), "{error}");
    assert_eq!(fs::read(directory.path().join(CERTIFICATE_FILE)).expect("there"), certificate);
}

#[test]
fn relays_that_start_at_once_agree() {
    let directory = directory();
    let fingerprints: Vec<Fingerprint> = std::thread::scope(|scope| {
        let start = || create(directory.path()).fingerprint();
        let starting: Vec<_> = (0..4).map(|_| scope.spawn(start)).collect();
        starting.into_iter().map(|relay| relay.join().expect("started")).collect()
    });
    assert!(fingerprints.iter().all(|one| *one == fingerprints[0]), "{fingerprints:?}");
}

/// Asks the library that any client uses whether the certificate is good for `name`, `days` from now.
fn verify(certificate: &CertificateDer<'static>, name: &str, days: i32) -> Result<(), rustls::Error> {
    let mut roots = RootCertStore::empty();
    roots.add(certificate.clone()).expect("a root");
    let verifier =
        WebPkiServerVerifier::builder_with_provider(Arc::new(roots), tls::provider()).build().expect("built");
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("after 1970");
    let shift = DAY * days.unsigned_abs();
    let then = if days < 0 { now.saturating_sub(shift) } else { now + shift };
    let name = ServerName::try_from(name.to_owned()).expect("a name");
    let then = UnixTime::since_unix_epoch(then);
    verifier.verify_server_cert(certificate, &[], &name, &[], then).map(drop)
}

#[test]
fn the_certificate_carries_its_names_and_its_dates() {
    let directory = directory();
    let names = ["chat.example.org".to_owned(), "192.0.2.7".to_owned()];
    let identity = RelayIdentity::load_or_create(directory.path(), &names).expect("an identity");
    let held = identity.in_use.0.load();
    let certificate = held.certified.end_entity_cert().expect("one").clone().into_owned();
    for name in ["localhost", "127.0.0.1", "::1", "chat.example.org", "192.0.2.7"] {
        verify(&certificate, name, 0).expect(name);
    }
    verify(&certificate, "other.example.org", 0).expect_err("not one of its names");
    for (days, good) in [(-2, false), (0, true), (3649, true), (3651, false)] {
        assert_eq!(verify(&certificate, "localhost", days).is_ok(), good, "{days} days from now");
    }
}

/// A directory with a good pair, and the paths of it.
fn pair() -> (tempfile::TempDir, PathBuf, PathBuf) {
    let directory = directory();
    create(directory.path());
    let paths = (directory.path().join(CERTIFICATE_FILE), directory.path().join(KEY_FILE));
    (directory, paths.0, paths.1)
}

#[test]
fn says_which_rule_a_pair_breaks() {
    let (directory, certificate, key) = pair();
    let missing = directory.path().join("missing.pem");
    let other_key = directory.path().join("other-key.pem");
    let other = KeyPair::generate().expect("a key").serialize_pem();
    crate::secret_file::load_or_create(&other_key, || other.into_bytes().into()).expect("written");
    let no_key = directory.path().join("no-key.pem");
    crate::secret_file::load_or_create(&no_key, || b"nothing".to_vec().into()).expect("written");
    let half = directory.path().join("half.pem");
    let whole = fs::read(&certificate).expect("there");
    fs::write(&half, &whole[..whole.len() / 2]).expect("written");
    for (certificate, key, rule) in [
        (&missing, &key, "there is no certificate at"),
        (&certificate, &missing, "does not exist"),
        (&key, &key, "holds no certificate"),
        (&half, &key, "holds no certificate"),
        (&certificate, &no_key, "holds no private key"),
        (&certificate, &other_key, "is not that of the first certificate"),
    ] {
        let error = RelayIdentity::from_files(certificate.clone(), key.clone()).expect_err(rule).to_string();
        assert!(error.contains(rule), "{error}");
    }
}

#[test]
fn a_failed_reload_keeps_the_old_certificate_and_is_tried_again() {
    let (_directory, certificate, key) = pair();
    let identity = RelayIdentity::from_files(certificate.clone(), key.clone()).expect("a good pair");
    let old = identity.fingerprint();
    assert!(!identity.changed_on_disk());

    let (_renewed, new_certificate, new_key) = pair();
    fs::copy(&new_certificate, &certificate).expect("half of the pair is replaced");
    assert!(identity.changed_on_disk());
    assert!(matches!(identity.reload(), Err(IdentityError::Mismatch { .. })));
    assert_eq!(identity.fingerprint(), old);
    assert!(identity.changed_on_disk(), "so that the relay tries again");

    fs::rename(&new_key, &key).expect("the other half");
    let Reload::Changed { old: from, new } = identity.reload().expect("a good pair") else {
        panic!("another certificate");
    };
    assert_eq!((from, new), (old, identity.fingerprint()));
    assert_ne!(new, old);
    assert!(!identity.changed_on_disk());

    fs::remove_file(&certificate).expect("removed");
    assert!(identity.changed_on_disk(), "a file that goes is a change");
}

#[test]
fn debug_shows_no_key() {
    let (_directory, certificate, key) = pair();
    let shown = format!("{:?}", RelayIdentity::from_files(certificate, key.clone()).expect("a good pair"));
    let pem = fs::read_to_string(key).expect("there");
    let secret = pem.lines().nth(1).expect("base64");
    assert!(shown.contains("Fingerprint(") && !shown.contains(secret), "{shown}");
}
