//! What it costs the server to let somebody in: TLS, a token, a password.
//!
//! Stages one after another over the same connections, so that each is measured alone. A password login costs the client 64 MiB and
//! 50 ms of Argon2id; all logins are of one account, whose stretched password is always the same, so it is
//! stretched once. The messages on the wire are what they are in any login.

use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use mechat_protocol::message::Message;
use mechat_protocol::request::{Binding, LoginFinish, LoginStart, RegisterFinish, RegisterStart};
use mechat_protocol::secret::OpaqueBytes;
use mechat_protocol::{AccountName, RequestId};
use tokio::task::JoinSet;

use crate::crowd::float;
use crate::link::{Link, Way};
use crate::password::{Login, Registration, Stretched};
use crate::people;
use crate::population::Population;
use crate::rows::Setting;
use crate::server::{Kind, Server};
use crate::table::{self, Table, median};

/// Connections.
const CONNECTIONS: u64 = 2_000;
/// Accounts whose sessions they are: few, so that who comes and goes is hardly news.
const ACCOUNTS: u64 = 20;
/// Connections that do the same at once.
const AT_ONCE: usize = 32;
const PASSWORD: &str = "correct horse battery staple";

/// A stage for so many: how long it took, and what it cost the server.
#[derive(Debug, Clone, Copy)]
struct Stage {
    wall: Duration,
    cpu: Duration,
    count: u64,
}

/// Measures the reference and the relay on each storage.
pub(crate) async fn run(setting: Setting) -> anyhow::Result<bool> {
    let mut table =
        Table::new(&["server", "what", "a second", "server CPU ms each", "a second and core of the server"]);
    for kind in [Kind::Reference, Kind::Memory, Kind::Sqlite] {
        let mut runs = Vec::new();
        for _ in 0..setting.runs {
            runs.push(measure(kind, setting).await?);
        }
        let names = ["TCP, TLS, hello", "token resume", "password login"];
        for (n, name) in names.into_iter().enumerate().take(runs[0].len()) {
            let middle = |of: fn(&Stage) -> f64| median(runs.iter().map(|stages| of(&stages[n])));
            let cpu = middle(|stage| stage.cpu.as_secs_f64() / float(stage.count));
            table.row(vec![
                kind.name().into(),
                name.into(),
                table::rounded(middle(|stage| float(stage.count) / stage.wall.as_secs_f64())),
                format!("{:.3}", cpu * 1_000.0),
                table::rounded(1.0 / cpu),
            ]);
        }
    }
    table.print("Sign-in: 2,000 connections, 32 at once");
    Ok(true)
}

async fn measure(kind: Kind, setting: Setting) -> anyhow::Result<Vec<Stage>> {
    let directory = tempfile::tempdir()?;
    let population =
        Population { sessions: CONNECTIONS, accounts: ACCOUNTS, ..Population::spread(ACCOUNTS, 1) };
    let server = Server::start(kind, directory.path(), &population, setting.pinning, None)?;
    let way = Way::to(server.address, server.fingerprint)?;
    let meter = Meter::begin(&server)?;
    let links = all((0..CONNECTIONS).collect(), |number| greeted(way.clone(), number)).await?;
    let mut stages = vec![meter.end(CONNECTIONS)?];
    let meter = Meter::begin(&server)?;
    let resumed = all(links, |(number, mut link)| async move {
        link.resume(people::token(number)).await?;
        Ok(link)
    })
    .await?;
    stages.push(meter.end(CONNECTIONS)?);
    drop(resumed);
    if kind != Kind::Reference {
        stages.push(passwords(&server, &way).await?);
    }
    Ok(stages)
}

async fn greeted(way: Way, number: u64) -> anyhow::Result<(u64, Link)> {
    let mut link = way.connect(number).await?;
    link.greet().await?;
    Ok((number, link))
}

async fn passwords(server: &Server, way: &Way) -> anyhow::Result<Stage> {
    let name = AccountName::new("passer-by").map_err(|broken| anyhow::anyhow!("{broken:?}"))?;
    let stretched = Stretched::default();
    register(&mut greeted(way.clone(), 0).await?.1, &name, &stretched).await?;
    // Once unmeasured: it stretches.
    log_in(greeted(way.clone(), 0).await?.1, name.clone(), stretched.clone()).await?;
    let links = all((0..CONNECTIONS).collect(), |number| greeted(way.clone(), number)).await?;
    let meter = Meter::begin(server)?;
    all(links, |(_, link)| log_in(link, name.clone(), stretched.clone())).await?;
    meter.end(CONNECTIONS)
}

async fn register(link: &mut Link, name: &AccountName, stretched: &Stretched) -> anyhow::Result<()> {
    let (registration, message) = Registration::start(PASSWORD)?;
    let message = OpaqueBytes::new(message)?;
    link.send(&[RegisterStart { id: RequestId(3), account: name.clone(), message }.into()]).await?;
    let Message::RegisterChallenge(challenge) = link.receive().await? else {
        bail!("`register_challenge` was due")
    };
    let upload = registration.finish(PASSWORD, challenge.message.as_bytes(), stretched)?;
    link.send(&[RegisterFinish { id: RequestId(4), message: OpaqueBytes::new(upload)? }.into()]).await?;
    match link.receive().await? {
        Message::Registered(_) => Ok(()),
        other => bail!("`registered` was due: {other:?}"),
    }
}

async fn log_in(mut link: Link, name: AccountName, stretched: Stretched) -> anyhow::Result<Link> {
    let exporter = link.exporter()?;
    let (login, message) = Login::start(PASSWORD)?;
    let start = LoginStart {
        id: RequestId(5),
        account: name,
        message: OpaqueBytes::new(message)?,
        binding: Binding::TlsExporter,
    };
    link.send(&[start.into()]).await?;
    let Message::LoginChallenge(challenge) = link.receive().await? else {
        bail!("`login_challenge` was due")
    };
    let proof = login.finish(PASSWORD, challenge.message.as_bytes(), &exporter, &stretched)?;
    link.send(&[LoginFinish { id: RequestId(6), message: OpaqueBytes::new(proof)? }.into()]).await?;
    match link.receive().await? {
        Message::SignedIn(_) => Ok(link),
        other => bail!("`signed_in` was due: {other:?}"),
    }
}

/// Does the same with each of many, [`AT_ONCE`] at a time.
async fn all<I, O, F>(items: Vec<I>, work: impl Fn(I) -> F) -> anyhow::Result<Vec<O>>
where
    O: 'static,
    F: Future<Output = anyhow::Result<O>> + 'static,
{
    let (mut working, mut done) = (JoinSet::new(), Vec::new());
    for item in items {
        if working.len() == AT_ONCE {
            done.push(next(&mut working).await?);
        }
        working.spawn_local(work(item));
    }
    while !working.is_empty() {
        done.push(next(&mut working).await?);
    }
    Ok(done)
}

async fn next<O: 'static>(working: &mut JoinSet<anyhow::Result<O>>) -> anyhow::Result<O> {
    working.join_next().await.context("nobody works")?.context("one of many ended badly")?
}

struct Meter<'a> {
    server: &'a Server,
    at: Instant,
    cpu: Duration,
}

impl<'a> Meter<'a> {
    fn begin(server: &'a Server) -> anyhow::Result<Self> {
        Ok(Self { server, cpu: server.usage().context("what the server costs")?.cpu, at: Instant::now() })
    }

    fn end(self, count: u64) -> anyhow::Result<Stage> {
        let wall = self.at.elapsed();
        Ok(Stage { wall, cpu: self.server.usage()?.cpu.saturating_sub(self.cpu), count })
    }
}
