//! What a relay says before anybody signs in: whether it answers, whose certificate it shows, what it promises.

use std::time::{Duration, Instant};

use mechat_certs::TrustError;
use mechat_client::{Client, Command, Config, Event, Link};
use mechat_protocol::RelayAddress;
use mechat_protocol::reply::{Durability, Welcome};

use super::Finding;
use crate::app::{self, files::Places};

/// How long a relay may take to say hello.
const LIMIT: Duration = Duration::from_secs(10);

/// Connects, hears what it says, and leaves.
pub(super) fn look(places: &Places, address: &RelayAddress) -> std::io::Result<Vec<Finding>> {
    let runtime = app::runtime(false)?;
    let findings = runtime.block_on(async {
        let (client, mut events) = Client::start(Config {
            address: address.clone(),
            pins: places.pins(),
            invited: None,
            agent: app::AGENT.to_owned(),
            outbox: None,
            resumes: false,
        });
        let began = Instant::now();
        let hear = async {
            while let Some(event) = events.recv().await {
                if let Some(findings) = heard(&event, began.elapsed()) {
                    return findings;
                }
            }
            vec![Finding::bad("the client stopped by itself", "the log has the reason")]
        };
        let findings = tokio::time::timeout(LIMIT, hear).await;
        client.send(Command::Quit).await;
        findings.unwrap_or_else(|_| {
            let what = format!("accepts the connection, but says nothing within {} s", LIMIT.as_secs());
            vec![Finding::bad(what, "is it a mechat relay? a proxy in between must pass TLS on untouched")]
        })
    });
    runtime.shutdown_background();
    Ok(findings)
}

/// What an event settles; `None` if it settles nothing.
fn heard(event: &Event, after: Duration) -> Option<Vec<Finding>> {
    match event {
        Event::Welcome(welcome) => Some(vec![
            Finding::good(format!(
                "answers within {} ms; its certificate is the pinned one",
                after.as_millis()
            )),
            promise(welcome),
        ]),
        Event::Link(Link::Untrusted(error @ TrustError::Unknown { .. })) => Some(vec![Finding::note(
            error.to_string(),
            "the client asks at the first connection and pins it then",
        )]),
        Event::Link(Link::Untrusted(error)) => {
            Some(vec![Finding::bad(error.to_string(), "the client refuses it until its host is asked")])
        }
        Event::Link(Link::Down { reason, .. }) => Some(vec![Finding::bad(
            format!("cannot be reached: {reason}"),
            "is it running, and is its TCP port open in every firewall on the way?",
        )]),
        Event::Link(Link::Failed { reason }) => {
            Some(vec![Finding::bad(reason.clone(), "update the older of the two")])
        }
        _ => None,
    }
}

fn promise(welcome: &Welcome) -> Finding {
    let runs = format!("{}, protocol {}", welcome.agent, welcome.version);
    match welcome.durability {
        Durability::Fsync => Finding::good(format!("{runs}; what it acknowledges is on disk")),
        Durability::Commit => Finding::note(
            format!("{runs}; what it acknowledges survives its crash"),
            "but not a loss of power",
        ),
        Durability::BestEffort => Finding::note(
            format!("{runs}; what it acknowledges is in its memory only"),
            "it forgets everything when it stops: its host chose so",
        ),
        Durability::Unknown => {
            Finding::note(format!("{runs}; its promise is one of a later version"), "update this client")
        }
    }
}
