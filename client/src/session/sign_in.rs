//! Registration, login, resume, logout, across lost connections.
//!
//! Invariant: the password is kept only while its login is under way.

use mechat_certs::password::PasswordError;
use mechat_protocol::message::Message;
use mechat_protocol::reply::{ErrorReply, SignedIn};
use mechat_protocol::request::{
    Binding, LoginFinish, LoginStart, Logout, RegisterFinish, RegisterStart, Resume,
};
use mechat_protocol::secret::{OpaqueBytes, Token};
use mechat_protocol::{AccountName, ErrorCode, RequestId};
use secrecy::SecretString;

use super::{Now, Output, PasswordWork, Pending, Session, State, offline, refused};
use crate::event::{Event, RequestKind, SignedIn as SignedInEvent, SignedOut};

/// How far a sign-in is.
#[derive(Debug)]
pub(crate) enum Flow {
    /// None under way.
    Idle,
    /// With a password.
    Password { account: AccountName, password: SecretString, stage: Stage },
    /// With a token.
    Resuming,
}

/// What a password's sign-in waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    /// A connection, to begin the registration.
    ToRegister,
    /// A connection, to begin the login.
    ToLogIn,
    /// The computation of this step.
    RegisterStart(u64),
    RegisterFinish(u64),
    LoginStart(u64),
    LoginFinish(u64),
    /// The relay.
    Relay,
}

impl Stage {
    const fn is_registration(self) -> bool {
        matches!(self, Self::ToRegister | Self::RegisterStart(_) | Self::RegisterFinish(_))
    }
}

impl Session {
    pub(super) fn register(
        &mut self,
        now: Now,
        account: AccountName,
        password: SecretString,
        outputs: &mut Vec<Output>,
    ) {
        let flow = Flow::Password { account, password, stage: Stage::ToRegister };
        self.sign_in_with_password(now, flow, RequestKind::Register, outputs);
    }

    pub(super) fn login(
        &mut self,
        now: Now,
        account: AccountName,
        password: SecretString,
        outputs: &mut Vec<Output>,
    ) {
        let flow = Flow::Password { account, password, stage: Stage::ToLogIn };
        self.sign_in_with_password(now, flow, RequestKind::Login, outputs);
    }

    pub(super) fn resume(&mut self, now: Now, token: Token, outputs: &mut Vec<Output>) {
        if self.may_begin(RequestKind::Resume, outputs) {
            self.token = Some(token);
            self.begin(now, Flow::Idle, outputs);
        }
    }

    fn sign_in_with_password(&mut self, now: Now, flow: Flow, kind: RequestKind, outputs: &mut Vec<Output>) {
        if self.may_begin(kind, outputs) {
            self.token = None;
            self.begin(now, flow, outputs);
        }
    }

    /// A sign-in that has not begun on the wire gives way to another one.
    fn may_begin(&self, kind: RequestKind, outputs: &mut Vec<Output>) -> bool {
        let waits = matches!(
            self.flow,
            Flow::Idle | Flow::Password { stage: Stage::ToRegister | Stage::ToLogIn, .. }
        );
        if self.signed_in || !waits {
            let rule = "already signed in, or a sign-in is under way: log out first";
            outputs.push(refused(kind, ErrorReply::new(None, ErrorCode::AlreadyAuthenticated, rule)));
            return false;
        }
        true
    }

    fn begin(&mut self, now: Now, flow: Flow, outputs: &mut Vec<Output>) {
        self.flow = flow;
        if matches!(self.state, State::Up) {
            self.continue_sign_in(now, outputs);
        }
    }

    /// The relay is ready: goes on with what the user wants, or resumes.
    pub(super) fn continue_sign_in(&mut self, now: Now, outputs: &mut Vec<Output>) {
        if let Flow::Password { password, stage, .. } = &mut self.flow {
            let step = self.next_step;
            self.next_step += 1;
            let password = password.clone();
            let work = if *stage == Stage::ToRegister {
                *stage = Stage::RegisterStart(step);
                PasswordWork::RegisterStart(password)
            } else {
                *stage = Stage::LoginStart(step);
                PasswordWork::LoginStart(password)
            };
            outputs.push(Output::Password { step, work });
        } else if let Some(token) = self.token.clone() {
            self.flow = Flow::Resuming;
            let request = Resume { id: RequestId(0), token };
            self.request(now, Pending::SignIn(RequestKind::Resume), request.into(), outputs);
        }
    }

    /// A lost connection takes a sign-in back to its beginning.
    pub(super) fn restart_flow(&mut self) {
        match &mut self.flow {
            Flow::Password { stage, .. } => {
                *stage = if stage.is_registration() { Stage::ToRegister } else { Stage::ToLogIn };
            }
            Flow::Resuming => self.flow = Flow::Idle,
            Flow::Idle => {}
        }
    }

    pub(super) fn password_done(
        &mut self,
        now: Now,
        step: u64,
        result: Result<Vec<u8>, PasswordError>,
        outputs: &mut Vec<Output>,
    ) {
        let Flow::Password { account, stage, .. } = &mut self.flow else { return };
        let (account, waiting_for) = (account.clone(), *stage);
        let kind = if waiting_for.is_registration() { RequestKind::Register } else { RequestKind::Login };
        let id = RequestId(0);
        let message =
            |bytes| OpaqueBytes::new(bytes).map_err(|broken| ErrorReply::new(None, broken.code, broken.rule));
        let message = match result.map_err(|error| password_error(&error)).and_then(message) {
            Ok(message) => message,
            // A step of an earlier connection does not matter any more.
            Err(_) if !waiting_for.is(step) => return,
            Err(error) => return self.sign_in_refused(kind, error, outputs),
        };
        let request: Message = match waiting_for {
            Stage::RegisterStart(own) if own == step => RegisterStart { id, account, message }.into(),
            Stage::RegisterFinish(own) if own == step => RegisterFinish { id, message }.into(),
            Stage::LoginStart(own) if own == step => {
                LoginStart { id, account, message, binding: Binding::TlsExporter }.into()
            }
            Stage::LoginFinish(own) if own == step => LoginFinish { id, message }.into(),
            _ => return,
        };
        // Registration stays recognisable as such until the relay has confirmed it.
        if !waiting_for.is_registration() {
            *stage = Stage::Relay;
        }
        self.request(now, Pending::SignIn(kind), request, outputs);
    }

    pub(super) fn sign_in_reply(
        &mut self,
        now: Now,
        kind: RequestKind,
        reply: Message,
        outputs: &mut Vec<Output>,
    ) {
        match (reply, &mut self.flow) {
            (Message::RegisterChallenge(challenge), Flow::Password { stage, .. }) => {
                let step = self.next_step;
                *stage = Stage::RegisterFinish(step);
                self.compute(PasswordWork::RegisterFinish(challenge.message.as_bytes().to_vec()), outputs);
            }
            (Message::LoginChallenge(challenge), Flow::Password { stage, .. }) => {
                let step = self.next_step;
                *stage = Stage::LoginFinish(step);
                self.compute(PasswordWork::LoginFinish(challenge.message.as_bytes().to_vec()), outputs);
            }
            (Message::Registered(registered), Flow::Password { stage, .. }) => {
                *stage = Stage::ToLogIn;
                outputs.push(Output::Event(Event::Registered(registered.account)));
                self.continue_sign_in(now, outputs);
            }
            (Message::SignedIn(signed_in), _) => self.signed_in(now, kind, &signed_in, outputs),
            (reply, _) => {
                tracing::warn!(tag = reply.tag(), "a reply of the wrong kind to a sign-in");
                outputs.push(Output::Disconnect);
                self.lost(now, "the relay answered something else than was asked", outputs);
            }
        }
    }

    fn compute(&mut self, work: PasswordWork, outputs: &mut Vec<Output>) {
        let step = self.next_step;
        self.next_step += 1;
        outputs.push(Output::Password { step, work });
    }

    fn signed_in(&mut self, now: Now, kind: RequestKind, reply: &SignedIn, outputs: &mut Vec<Output>) {
        self.flow = Flow::Idle;
        self.signed_in = true;
        self.token = Some(reply.token.clone());
        if self.owner.as_ref() != Some(&reply.account) {
            self.forget_account("somebody else signed in before it was sent", outputs);
            self.owner = Some(reply.account.clone());
            self.handover.begin();
        }
        outputs.push(Output::Event(Event::SignedIn(SignedInEvent {
            account: reply.account.clone(),
            session: reply.session,
            token: reply.token.clone(),
            token_expires: reply.token_expires_ms,
            admin: reply.admin,
            resumed: kind == RequestKind::Resume,
        })));
        if !self.handover.is_awaited() {
            self.list_channels(now, false, outputs);
        }
        self.send_outbox(now, outputs);
        self.send_marks(now, outputs);
    }

    pub(super) fn sign_in_refused(
        &mut self,
        kind: RequestKind,
        error: ErrorReply,
        outputs: &mut Vec<Output>,
    ) {
        self.flow = Flow::Idle;
        if kind == RequestKind::Resume && error.code == ErrorCode::InvalidToken {
            self.token = None;
            outputs.push(Output::Event(Event::SignedOut(SignedOut::TokenRefused)));
        }
        outputs.push(refused(kind, error));
    }

    pub(super) fn logout(&mut self, now: Now, outputs: &mut Vec<Output>) {
        if self.may_ask() {
            self.request(now, Pending::Logout, Logout { id: RequestId(0) }.into(), outputs);
            self.logging_out = true;
        } else {
            outputs.push(refused(RequestKind::Logout, offline()));
        }
    }

    pub(super) fn logged_out(&mut self, now: Now, outputs: &mut Vec<Output>) {
        (self.signed_in, self.logging_out) = (false, false);
        self.token = None;
        self.forget_account("you logged out before it was acknowledged", outputs);
        self.owner = None;
        outputs.push(Output::Event(Event::SignedOut(SignedOut::LoggedOut)));
        // The relay may still answer what was asked before, and the next account must not take that for its own.
        if !self.pending.is_empty() {
            outputs.push(Output::Disconnect);
            self.lost(now, "logged out before the relay had answered everything", outputs);
        }
    }
}

impl Session {
    /// What belongs to an account goes with it: the next one to sign in is somebody else.
    fn forget_account(&mut self, why: &str, outputs: &mut Vec<Output>) {
        self.timelines.clear();
        self.marks = super::marks::Waiting::default();
        self.progress = super::known::Progress::Reading;
        self.handover.end();
        self.forget_pages(outputs);
        self.empty_outbox(why, outputs);
    }
}

impl Stage {
    fn is(self, step: u64) -> bool {
        match self {
            Self::RegisterStart(own)
            | Self::RegisterFinish(own)
            | Self::LoginStart(own)
            | Self::LoginFinish(own) => own == step,
            Self::ToRegister | Self::ToLogIn | Self::Relay => false,
        }
    }
}

fn password_error(error: &PasswordError) -> ErrorReply {
    let code = match error {
        PasswordError::Wrong => ErrorCode::InvalidCredentials,
        _ => ErrorCode::Malformed,
    };
    let text = match error {
        PasswordError::Wrong => "the name or the password is wrong: try again".to_owned(),
        other => other.to_string(),
    };
    ErrorReply::new(None, code, text)
}
