//! Registration and login between the two sides of this module, and what must not work.

use super::*;

const NAME: &str = "ada";
const PASSWORD: &str = "correct horse battery staple";
const BINDING: &[u8] = &[7; BINDING_LEN];

fn secret(text: &str) -> SecretString {
    SecretString::from(text)
}

fn register(keys: &ServerKeys, name: &str, password: &str) -> Vec<u8> {
    let (client, request) = ClientRegistration::start(&secret(password)).expect("starts");
    assert_eq!(request.len(), REGISTRATION_REQUEST_LEN);
    let response = server_registration(keys, &request, name).expect("answers");
    assert_eq!(response.len(), REGISTRATION_RESPONSE_LEN);
    let upload = client.finish(&response).expect("finishes");
    assert_eq!(upload.len(), REGISTRATION_UPLOAD_LEN);
    let record = registration_record(&upload).expect("a record");
    assert_eq!(record.len(), REGISTRATION_UPLOAD_LEN);
    record
}

/// What each end sees of a login, with a binding for each end.
fn login(
    keys: &ServerKeys,
    record: Option<&[u8]>,
    password: &str,
    client_binding: Option<&[u8]>,
    relay_binding: Option<&[u8]>,
) -> Result<(), PasswordError> {
    let (client, request) = ClientLogin::start(&secret(password)).expect("starts");
    assert_eq!(request.len(), LOGIN_REQUEST_LEN);
    let (relay, response) = ServerLogin::start(keys, record, &request, NAME, relay_binding)?;
    assert_eq!(response.len(), LOGIN_RESPONSE_LEN);
    let finalization = client.finish(&response, client_binding)?;
    assert_eq!(finalization.len(), LOGIN_FINALIZATION_LEN);
    relay.finish(&finalization)
}

#[test]
fn the_registered_password_logs_in_and_no_other() {
    let keys = ServerKeys::generate();
    let record = register(&keys, NAME, PASSWORD);
    assert_eq!(login(&keys, Some(&record), PASSWORD, Some(BINDING), Some(BINDING)), Ok(()));
    assert_eq!(login(&keys, Some(&record), PASSWORD, None, None), Ok(()));
    assert_eq!(login(&keys, Some(&record), "wrong", None, None), Err(PasswordError::Wrong));
    assert_eq!(login(&keys, None, PASSWORD, None, None), Err(PasswordError::Wrong), "unknown name");
}

/// Frozen: what `@serenity-kit/opaque` 1.1.0 made of [`NAME`] and [`PASSWORD`] with `memory-constrained` stretching. A change
/// of suite or parameters that breaks this locks out every account that exists.
const FROZEN_KEYS: &str = "e63b33ff6fe3e3806c08193aaf65d5b57307b3dbda53f028bec9434ea828a5d077ebf1b18356f8a6e0328c5e7ae66631\
     5b79b8cdd3201f4bbfef3964a459470f3b18490cb63536d0e9b5e544a19833a007f593167a12de7b23ae9ab863594f0a\
     70043462ea52cb030fb3eb52e96501fac50612cdd7c6c23357f5f241c84b617a";
const FROZEN_RECORD: &str = "bada28f137dd18bcf92044f04cd80e545105d857162bcedb7b2cba28bedde41baf149c3cc98d61d19c61eb976e2a2060\
     f4f02466597cffef85d01fda3ac85746d36ea17f65689968bcb60011f6d5d9d4f7ec6abddf549b2fc3661486ccf203fb\
     249bce6eccfdb2b268d68fd97b34c92ea8b30990892f607bca5937a46f2e395ae2eb16ee7410f8a722dc5c825ff4f94c\
     d6c537ee3058e5721683c9735f4da7d8ab5dcd99b35ff1ab6c4fd5577d623245e853db57a9f000c54c99d0359df0b8ca";

#[test]
fn a_record_that_the_browser_library_made_logs_in() {
    let keys = ServerKeys::from_bytes(&hex(FROZEN_KEYS)).expect("keys");
    let record = hex(FROZEN_RECORD);
    assert_eq!(keys.to_bytes().expose_secret(), hex(FROZEN_KEYS));
    assert_eq!(login(&keys, Some(&record), PASSWORD, Some(BINDING), Some(BINDING)), Ok(()));
    assert_eq!(login(&keys, Some(&record), "wrong", None, None), Err(PasswordError::Wrong));
}

fn hex(digits: &str) -> Vec<u8> {
    let byte = |at| u8::from_str_radix(&digits[at..at + 2], 16).expect("hexadecimal");
    (0..digits.len()).step_by(2).map(byte).collect()
}

#[test]
fn a_login_is_bound_to_its_tls_session() {
    let keys = ServerKeys::generate();
    let record = register(&keys, NAME, PASSWORD);
    for other in [None, Some(&[8; BINDING_LEN][..])] {
        assert_eq!(login(&keys, Some(&record), PASSWORD, Some(BINDING), other), Err(PasswordError::Wrong));
        assert_eq!(login(&keys, Some(&record), PASSWORD, other, Some(BINDING)), Err(PasswordError::Wrong));
    }
}

#[test]
fn the_relay_refuses_a_finalization_of_another_login() {
    let keys = ServerKeys::generate();
    let record = register(&keys, NAME, PASSWORD);
    let (client, request) = ClientLogin::start(&secret(PASSWORD)).expect("starts");
    let (_, response) = ServerLogin::start(&keys, Some(&record), &request, NAME, None).expect("answers");
    let (second, _) = ServerLogin::start(&keys, Some(&record), &request, NAME, None).expect("answers");
    let finalization = client.finish(&response, None).expect("finishes");
    assert_eq!(second.finish(&finalization), Err(PasswordError::Wrong));
}

#[test]
fn a_record_belongs_to_its_name_and_its_relay() {
    let keys = ServerKeys::generate();
    let moved = register(&keys, "eve", PASSWORD);
    assert_eq!(login(&keys, Some(&moved), PASSWORD, None, None), Err(PasswordError::Wrong));
    let record = register(&keys, NAME, PASSWORD);
    assert_eq!(
        login(&ServerKeys::generate(), Some(&record), PASSWORD, None, None),
        Err(PasswordError::Wrong)
    );
}

#[test]
fn equal_passwords_give_unequal_records() {
    let keys = ServerKeys::generate();
    let (one, two) = (register(&keys, NAME, PASSWORD), register(&keys, "eve", PASSWORD));
    for (a, b) in one.chunks(32).zip(two.chunks(32)) {
        assert_ne!(a, b, "no part of a record may tell that two people chose the same password");
    }
}

#[test]
fn an_unknown_name_is_answered_like_a_known_one() {
    let keys = ServerKeys::generate();
    let record = register(&keys, NAME, PASSWORD);
    let (_, request) = ClientLogin::start(&secret(PASSWORD)).expect("starts");
    let answer = |record| ServerLogin::start(&keys, record, &request, NAME, None).expect("answers").1;
    let (known, unknown, again) = (answer(Some(record.as_slice())), answer(None), answer(None));
    assert_eq!(known.len(), unknown.len());
    // The evaluated element comes from the name alone, so that asking twice does not tell either.
    assert_eq!(known[..32], unknown[..32]);
    assert_eq!(unknown[..32], again[..32]);
    assert_ne!(unknown[32..], again[32..]);
}

#[test]
fn keys_survive_a_restart() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("opaque.key");
    let record = register(&ServerKeys::load_or_create(&path).expect("made"), NAME, PASSWORD);
    let keys = ServerKeys::load_or_create(&path).expect("read");
    assert_eq!(keys.to_bytes().expose_secret().len(), SERVER_KEYS_LEN);
    assert_eq!(login(&keys, Some(&record), PASSWORD, None, None), Ok(()));

    let bytes = keys.to_bytes();
    let short = ServerKeys::from_bytes(&bytes.expose_secret()[1..]);
    assert!(matches!(short, Err(PasswordError::Length { expected: SERVER_KEYS_LEN, found: 127, .. })));
    std::fs::write(&path, b"spoiled").expect("written");
    let error = ServerKeys::load_or_create(&path).expect_err("spoiled").to_string();
    assert!(error.contains("opaque.key") && error.contains("128 bytes"), "{error}");
}

#[test]
fn the_same_password_typed_elsewhere_logs_in() {
    let keys = ServerKeys::generate();
    // U+00E9 composed against e + U+0301, and a no-break space against a space (RFC 8265, section 4.2.2).
    let record = register(&keys, NAME, "caf\u{e9}\u{a0}noir");
    assert_eq!(login(&keys, Some(&record), "cafe\u{301} noir", None, None), Ok(()));
    assert_eq!(login(&keys, Some(&record), "CAFE\u{301} noir", None, None), Err(PasswordError::Wrong));
}

#[test]
fn a_password_that_cannot_be_typed_again_is_refused() {
    for (password, refusal) in [
        ("", Refusal::Empty),
        ("pass\u{7}word", Refusal::Character { position: 5 }),
        ("é\u{202e}x", Refusal::Character { position: 2 }),
        (&"x".repeat(PASSWORD_LEN_MAX + 1), Refusal::TooLong),
    ] {
        let refused = PasswordError::Refused(refusal);
        assert_eq!(ClientRegistration::start(&secret(password)).map(drop), Err(refused.clone()), "{refused}");
        assert_eq!(ClientLogin::start(&secret(password)).map(drop), Err(refused));
    }
    ClientLogin::start(&secret(&"x".repeat(PASSWORD_LEN_MAX))).expect("the longest");
}

#[test]
fn bytes_that_are_no_message_are_the_peers_fault() {
    let keys = ServerKeys::generate();
    let (_, mut request) = ClientLogin::start(&secret(PASSWORD)).expect("starts");
    let no_point = [0xff; LOGIN_REQUEST_LEN];
    assert_eq!(
        ServerLogin::start(&keys, None, &no_point, NAME, None).map(drop),
        Err(PasswordError::Contents { what: "login request" })
    );
    request.push(0);
    assert_eq!(
        ServerLogin::start(&keys, None, &request, NAME, None).map(drop),
        Err(PasswordError::Length { what: "login request", expected: 96, found: 97 })
    );
    for bytes in [&[][..], &[0; 7]] {
        assert!(server_registration(&keys, bytes, NAME).is_err());
        assert!(registration_record(bytes).is_err());
        let (client, _) = ClientRegistration::start(&secret(PASSWORD)).expect("starts");
        assert!(client.finish(bytes).is_err());
        let (client, _) = ClientLogin::start(&secret(PASSWORD)).expect("starts");
        assert!(matches!(client.finish(bytes, None), Err(PasswordError::Length { .. })));
    }
}

#[test]
fn a_reflected_request_is_refused() {
    let (client, request) = ClientRegistration::start(&secret(PASSWORD)).expect("starts");
    let response = [&request[..], &request[..]].concat();
    assert_eq!(client.finish(&response), Err(PasswordError::Contents { what: "registration response" }));
}

#[test]
fn debug_shows_no_secret() {
    let keys = ServerKeys::generate();
    let record = register(&keys, NAME, PASSWORD);
    let (registration, _) = ClientRegistration::start(&secret(PASSWORD)).expect("starts");
    let (client, request) = ClientLogin::start(&secret(PASSWORD)).expect("starts");
    let (relay, _) =
        ServerLogin::start(&keys, Some(&record), &request, NAME, Some(BINDING)).expect("answers");
    assert_eq!(
        format!("{registration:?} {client:?} {relay:?} {keys:?}"),
        "ClientRegistration([redacted]) ClientLogin([redacted]) ServerLogin([redacted]) ServerKeys([redacted])"
    );
    let bytes = format!("{:?}", keys.to_bytes());
    assert!(bytes.contains("REDACTED"), "{bytes}");
}
