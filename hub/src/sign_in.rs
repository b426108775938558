//! Hello, registration, login, resume, logout.
//!
//! Owns the order of steps on a connection and what a sign-in or sign-out leads to. The credentials themselves are
//! checked elsewhere; only their [`Authenticated`] leads to [`Phase::Connected`].

use mechat_protocol::limits::{
    AGENT_LEN_MAX, DATA_LEN_MAX, FRAME_LEN_MAX, FRAME_LEN_MAX_PENDING, IDLE_TIMEOUT_MS, IN_FLIGHT_MAX,
    NAME_CHARS_MAX, PAGE_ENTRIES_MAX, PENDING_TIMEOUT_MS, PROTOCOL_VERSION, REGISTRATIONS_MAX,
    SIGN_IN_ATTEMPTS_MAX, SIGN_IN_TIMEOUT_MS, TEXT_LEN_MAX,
};
use mechat_protocol::reply::{
    Limits, LoggedOut, LoginChallenge, RegisterChallenge, Registered, SignedIn, Welcome,
};
use mechat_protocol::request::{Hello, LoginFinish, LoginStart, RegisterFinish, RegisterStart, Resume};
use mechat_protocol::{AccountName, CloseCode, ErrorCode, Message, RequestId, RuleBroken, SessionId};

use crate::authorize::broken;
use crate::connection::{Asked, Connected, Connection, Phase, Step};
use crate::hub::{Hub, refuse};
use crate::input::{Authenticated, CredentialAnswer};
use crate::session::SessionRow;
use crate::{AccountId, ConnId, CredentialAsk, Effect, Effects, Now};

impl Hub {
    pub(crate) fn hello(
        &mut self,
        conn: ConnId,
        hello: &Hello,
        effects: &mut Effects,
    ) -> Result<(), RuleBroken> {
        if !(hello.version_min..=hello.version_max).contains(&PROTOCOL_VERSION) {
            let rule = format!(
                "this relay speaks version {PROTOCOL_VERSION}; you offered {} to {}",
                hello.version_min, hello.version_max
            );
            refuse(conn, Some(hello.id), broken(ErrorCode::UnsupportedVersion, rule), effects);
            self.close(conn, CloseCode::UnsupportedVersion, "no version in common", effects);
            return Ok(());
        }
        if hello.agent.len() > AGENT_LEN_MAX {
            let rule =
                format!("`agent` has at most {AGENT_LEN_MAX} bytes; this one has {}", hello.agent.len());
            return Err(broken(ErrorCode::TooLarge, rule));
        }
        let Some(connection) = self.connections.get_mut(&conn) else { return Ok(()) };
        if matches!(connection.phase, Phase::Greeting) {
            connection.phase = Phase::Pending(Step::Idle);
        }
        let welcome = Welcome {
            id: hello.id,
            version: PROTOCOL_VERSION,
            agent: self.config.agent.clone(),
            limits: stated_limits(),
            durability: self.config.durability,
            motd: self.config.motd.clone(),
            participants_before_sign_in: self.config.participants_before_sign_in,
        };
        effects.push(Effect::Send { conn, message: welcome.into() });
        Ok(())
    }

    pub(crate) fn register_start(
        &mut self,
        conn: ConnId,
        start: RegisterStart,
        effects: &mut Effects,
    ) -> Result<(), RuleBroken> {
        if self.config.is_reserved(&start.account) {
            return Err(broken(
                ErrorCode::NameTaken,
                format!("`{}` belongs to the relay: choose another name", start.account),
            ));
        }
        if !self.may_register(conn, start.id, effects) {
            return Ok(());
        }
        let ask = CredentialAsk::RegisterStart { account: start.account.clone(), message: start.message };
        let step = Asked { id: start.id, registering: Some(start.account) };
        self.ask(conn, step, ask, effects)
    }

    pub(crate) fn register_finish(
        &mut self,
        now: Now,
        conn: ConnId,
        finish: RegisterFinish,
        effects: &mut Effects,
    ) -> Result<(), RuleBroken> {
        let step = pending_step(self.connections.get_mut(&conn))?;
        let Step::Registering(account) = step else {
            return Err(broken(
                ErrorCode::OutOfOrder,
                "`register_finish` follows the reply to `register_start`",
            ));
        };
        let account = account.clone();
        *step = Step::Idle;
        let ask = CredentialAsk::RegisterFinish { account, message: finish.message, at: now.wall };
        self.ask(conn, Asked { id: finish.id, registering: None }, ask, effects)
    }

    /// Counts a registration: each costs the relay about as much as a guess. There may be more of them, since many names are
    /// taken.
    fn may_register(&mut self, conn: ConnId, id: RequestId, effects: &mut Effects) -> bool {
        let Some(connection) = self.connections.get_mut(&conn) else { return false };
        if connection.registrations >= REGISTRATIONS_MAX {
            let rule = broken(ErrorCode::Busy, TOO_MANY_REGISTRATIONS);
            refuse(conn, Some(id), rule, effects);
            self.close(conn, CloseCode::TooManyAttempts, TOO_MANY_REGISTRATIONS, effects);
            return false;
        }
        connection.registrations += 1;
        true
    }

    /// Counts a guess. With OPAQUE the challenge already tells a guesser whether the password was right, so it is the
    /// start that counts, not the finish.
    fn has_attempts_left(&mut self, conn: ConnId, id: RequestId, effects: &mut Effects) -> bool {
        let Some(connection) = self.connections.get_mut(&conn) else { return false };
        if connection.attempts >= SIGN_IN_ATTEMPTS_MAX {
            refuse(conn, Some(id), broken(ErrorCode::InvalidCredentials, TOO_MANY_ATTEMPTS), effects);
            self.close(conn, CloseCode::TooManyAttempts, TOO_MANY_ATTEMPTS, effects);
            return false;
        }
        connection.attempts += 1;
        true
    }

    pub(crate) fn login_start(
        &mut self,
        conn: ConnId,
        start: LoginStart,
        effects: &mut Effects,
    ) -> Result<(), RuleBroken> {
        if !self.has_attempts_left(conn, start.id, effects) {
            return Ok(());
        }
        let LoginStart { id, account, message, binding } = start;
        let ask = CredentialAsk::LoginStart { account, message, binding };
        self.ask(conn, Asked { id, registering: None }, ask, effects)
    }

    pub(crate) fn login_finish(
        &mut self,
        now: Now,
        conn: ConnId,
        finish: LoginFinish,
        effects: &mut Effects,
    ) -> Result<(), RuleBroken> {
        let step = pending_step(self.connections.get_mut(&conn))?;
        if !matches!(step, Step::LoggingIn) {
            return Err(broken(ErrorCode::OutOfOrder, "`login_finish` follows the reply to `login_start`"));
        }
        let ask = CredentialAsk::LoginFinish { message: finish.message, at: now.wall };
        self.ask(conn, Asked { id: finish.id, registering: None }, ask, effects)
    }

    pub(crate) fn resume(
        &mut self,
        now: Now,
        conn: ConnId,
        resume: Resume,
        effects: &mut Effects,
    ) -> Result<(), RuleBroken> {
        if !self.has_attempts_left(conn, resume.id, effects) {
            return Ok(());
        }
        let ask = CredentialAsk::Resume { token: resume.token, at: now.wall };
        self.ask(conn, Asked { id: resume.id, registering: None }, ask, effects)
    }

    /// Puts a question to the credentials; one at a time for each connection.
    fn ask(
        &mut self,
        conn: ConnId,
        asked: Asked,
        ask: CredentialAsk,
        effects: &mut Effects,
    ) -> Result<(), RuleBroken> {
        let step = pending_step(self.connections.get_mut(&conn))?;
        if matches!(step, Step::Asked(_)) {
            return Err(broken(
                ErrorCode::OutOfOrder,
                "the sign-in before is not yet answered: wait for its reply",
            ));
        }
        let id = asked.id;
        *step = Step::Asked(asked);
        effects.push(Effect::Credential { conn, id, ask });
        Ok(())
    }

    pub(crate) fn logout(
        &mut self,
        conn: ConnId,
        id: RequestId,
        effects: &mut Effects,
    ) -> Result<(), RuleBroken> {
        let Some(connection) = self.connections.get_mut(&conn) else { return Ok(()) };
        let Phase::Connected(connected) = &mut connection.phase else {
            return Err(broken(ErrorCode::Unauthenticated, "nobody is signed in on this connection"));
        };
        if connected.logging_out.is_some() {
            return Err(broken(ErrorCode::OutOfOrder, "the logout before is not yet answered"));
        }
        connected.logging_out = Some(id);
        let session = connected.session();
        effects.push(Effect::Credential { conn, id, ask: CredentialAsk::Revoke { session } });
        Ok(())
    }

    pub(crate) fn credential_answered(
        &mut self,
        now: Now,
        conn: ConnId,
        id: RequestId,
        answer: CredentialAnswer,
        effects: &mut Effects,
    ) {
        // What changed in storage counts, whether the connection is still there or not.
        match answer {
            CredentialAnswer::Registered(record) => {
                let account = record.name.clone();
                self.presence.note(record.id, now.mono_ms);
                self.add_account(record);
                self.advance(conn, id, Step::Idle, Registered { id, account }.into(), effects);
            }
            CredentialAnswer::Replayed(session) => {
                self.revoked(session, conn, REPLAYED, effects);
                self.failed_sign_in(conn, id, invalid_token(), effects);
            }
            CredentialAnswer::Revoked(session) => {
                self.revoked(
                    session,
                    conn,
                    "this session was logged out: sign in with the password",
                    effects,
                );
                self.logged_out(now, conn, id, effects);
            }
            CredentialAnswer::Authenticated(proof) => self.authenticated(now, conn, id, &proof, effects),
            CredentialAnswer::RegisterChallenge(message) => {
                let reply = RegisterChallenge { id, message }.into();
                let Some(name) = self.registering(conn) else { return };
                self.advance(conn, id, Step::Registering(name), reply, effects);
            }
            CredentialAnswer::LoginChallenge(message) => {
                self.advance(conn, id, Step::LoggingIn, LoginChallenge { id, message }.into(), effects);
            }
            CredentialAnswer::NameTaken => self.rejected(conn, id, name_taken(), effects),
            CredentialAnswer::NameTooSimilar => self.rejected(conn, id, name_too_similar(), effects),
            CredentialAnswer::Failed => self.rejected(conn, id, storage_failed(), effects),
            CredentialAnswer::InvalidCredentials => {
                self.failed_sign_in(conn, id, invalid_credentials(), effects);
            }
            CredentialAnswer::InvalidToken => self.failed_sign_in(conn, id, invalid_token(), effects),
            CredentialAnswer::Malformed => self.failed_sign_in(conn, id, not_opaque(), effects),
        }
    }

    fn registering(&self, conn: ConnId) -> Option<AccountName> {
        match &self.connections.get(&conn)?.phase {
            Phase::Pending(Step::Asked(asked)) => asked.registering.clone(),
            _ => None,
        }
    }

    /// Moves a pending connection to its next step and answers.
    fn advance(&mut self, conn: ConnId, id: RequestId, next: Step, reply: Message, effects: &mut Effects) {
        if let Some(step) = asked_step(self.connections.get_mut(&conn), id) {
            *step = next;
            effects.push(Effect::Send { conn, message: reply });
        }
    }

    fn rejected(&mut self, conn: ConnId, id: RequestId, broken: RuleBroken, effects: &mut Effects) {
        if let Some(step) = asked_step(self.connections.get_mut(&conn), id) {
            *step = Step::Idle;
        } else if let Some(Phase::Connected(connected)) =
            self.connections.get_mut(&conn).map(|c| &mut c.phase)
        {
            connected.logging_out = None;
        } else {
            return;
        }
        refuse(conn, Some(id), broken, effects);
    }

    fn failed_sign_in(&mut self, conn: ConnId, id: RequestId, broken: RuleBroken, effects: &mut Effects) {
        self.rejected(conn, id, broken, effects);
        if self.connections.get(&conn).is_some_and(|connection| connection.attempts >= SIGN_IN_ATTEMPTS_MAX) {
            self.close(conn, CloseCode::TooManyAttempts, TOO_MANY_ATTEMPTS, effects);
        }
    }

    fn authenticated(
        &mut self,
        now: Now,
        conn: ConnId,
        id: RequestId,
        proof: &Authenticated,
        effects: &mut Effects,
    ) {
        if proof.again && self.sessions.is_confirmed(proof.session) {
            // Not a lost reply: whoever got the successor has used the connection since.
            self.revoked(proof.session, conn, REPLAYED, effects);
            self.failed_sign_in(conn, id, invalid_token(), effects);
            let ask = CredentialAsk::Revoke { session: proof.session };
            return effects.push(Effect::Credential { conn, id, ask });
        }
        let Some(account) = self.accounts.get_mut(&proof.account) else {
            let rule = "the account cannot be found: try again later";
            return self.rejected(conn, id, broken(ErrorCode::Internal, rule), effects);
        };
        let Some(connection) = self.connections.get_mut(&conn).filter(|c| !c.closing) else { return };
        if asked_step(Some(connection), id).is_none() {
            return;
        }
        connection.phase = Phase::Connected(Connected::new(proof));
        connection.since = now.wall;
        (connection.attempts, connection.registrations) = (0, 0);
        account.connections.insert(conn);
        let reply = SignedIn {
            id,
            account: account.record.name.clone(),
            session: proof.session,
            token: proof.token.clone(),
            token_expires_ms: proof.token_expires,
            admin: account.record.admin,
        };
        let row = SessionRow {
            account: proof.account,
            conn,
            connected: true,
            confirmed: false,
            address: connection.address.clone(),
            since: now.wall,
        };
        effects.push(Effect::SignedIn { conn, signed_in: true });
        effects.push(Effect::Send { conn, message: reply.into() });
        effects.extend(account.channels.keys().map(|channel| Effect::Subscribe { conn, channel: *channel }));
        self.presence.came(proof.account, now.mono_ms);
        if let Some(before) = self.sessions.connected(proof.session, row) {
            self.close(before, CloseCode::Replaced, "the session goes on with another connection", effects);
        }
    }

    /// The session's tokens are worthless from now on. It may live on another connection than the one that asked.
    fn revoked(&mut self, session: SessionId, asker: ConnId, reason: &str, effects: &mut Effects) {
        if let Some(conn) = self.sessions.ended(session).filter(|conn| *conn != asker) {
            self.close(conn, CloseCode::SessionRevoked, reason, effects);
        }
    }

    fn logged_out(&mut self, now: Now, conn: ConnId, id: RequestId, effects: &mut Effects) {
        let Some(connection) = self.connections.get_mut(&conn) else { return };
        let Phase::Connected(connected) = &connection.phase else { return };
        let account = connected.account();
        connection.phase = Phase::Pending(Step::Idle);
        connection.since = now.wall;
        connection.guest_until_ms = now.mono_ms + SIGN_IN_TIMEOUT_MS;
        self.signed_out(now, conn, account, effects);
        effects.push(Effect::SignedIn { conn, signed_in: false });
        effects.push(Effect::Send { conn, message: LoggedOut { id }.into() });
    }

    /// One connection less for an account: nothing of its channels goes there any more.
    pub(crate) fn signed_out(&mut self, now: Now, conn: ConnId, account: AccountId, effects: &mut Effects) {
        if let Some(account) = self.accounts.get_mut(&account) {
            account.connections.remove(&conn);
            effects.extend(account.channels.keys().map(|channel| Effect::Unsubscribe {
                conn,
                channel: *channel,
                last: None,
            }));
        }
        self.presence.went(account, now.mono_ms);
    }
}

fn name_taken() -> RuleBroken {
    broken(ErrorCode::NameTaken, "somebody has this name: log in if it is yours, or choose another")
}

fn name_too_similar() -> RuleBroken {
    let rule = "this name looks too much like another: choose one that cannot be mistaken";
    broken(ErrorCode::NameTooSimilar, rule)
}

fn storage_failed() -> RuleBroken {
    broken(ErrorCode::Internal, "the relay's storage failed: try again later")
}

fn invalid_credentials() -> RuleBroken {
    broken(ErrorCode::InvalidCredentials, "the name or the password is wrong: try again")
}

fn not_opaque() -> RuleBroken {
    broken(ErrorCode::Malformed, "this is not an OPAQUE message of the right step and length")
}

const REPLAYED: &str = "an old token of this session was used again: sign in with the password";
const TOO_MANY_REGISTRATIONS: &str = "twenty registrations were begun on one connection";
const TOO_MANY_ATTEMPTS: &str = "five sign-ins without success on one connection";

fn invalid_token() -> RuleBroken {
    broken(ErrorCode::InvalidToken, "the token is not good any more: sign in with the password")
}

/// The step of a connection that is not signed in.
fn pending_step(connection: Option<&mut Connection>) -> Result<&mut Step, RuleBroken> {
    match connection.map(|c| &mut c.phase) {
        Some(Phase::Pending(step)) => Ok(step),
        _ => Err(broken(
            ErrorCode::AlreadyAuthenticated,
            "already signed in on this connection: `logout` first",
        )),
    }
}

/// The step of a connection that waits for just this answer.
fn asked_step(connection: Option<&mut Connection>, id: RequestId) -> Option<&mut Step> {
    let Phase::Pending(step) = &mut connection?.phase else { return None };
    matches!(step, Step::Asked(asked) if asked.id == id).then_some(step)
}

/// The limits as `welcome` states them. All fit 32 bits: `protocol::limits` relates them to the frame's.
const fn stated_limits() -> Limits {
    #[expect(clippy::cast_possible_truncation, reason = "constants, each below the 64 KiB of a frame")]
    const fn stated(limit: usize) -> u32 {
        limit as u32
    }
    Limits {
        frame_len_max: stated(FRAME_LEN_MAX),
        frame_len_max_pending: stated(FRAME_LEN_MAX_PENDING),
        text_len_max: stated(TEXT_LEN_MAX),
        data_len_max: stated(DATA_LEN_MAX),
        name_chars_max: stated(NAME_CHARS_MAX),
        page_entries_max: stated(PAGE_ENTRIES_MAX),
        in_flight_max: stated(IN_FLIGHT_MAX),
        pending_timeout_ms: PENDING_TIMEOUT_MS,
        idle_timeout_ms: IDLE_TIMEOUT_MS,
    }
}
