//! People on a relay who talk: the [`Mouth`] of MeChat's side, over the wire that every client speaks.

use mechat_protocol::message::Message;
use mechat_protocol::request::{Ping, Send};
use mechat_protocol::{ChannelId, Content, Nonce, RequestId};
use tokio::runtime::Runtime;
use uuid::Uuid;

use crate::link::{Link, Way};
use crate::people;
use crate::population::Population;
use crate::tui::talker::Mouth;

/// Who is there: as many speakers as the IRC server has.
pub(crate) const POPULATION: Population = Population::spread(4, 1);
/// The id of a ping, which no message has.
const PING_ID: RequestId = RequestId(1);

/// Signed-in connections, one for each person.
pub(crate) struct People {
    runtime: Runtime,
    links: Vec<Link>,
    channel: ChannelId,
    turn: usize,
    next_id: u32,
}

impl People {
    /// They come in. The runtime is this thread's.
    pub(crate) fn enter(way: &Way) -> anyhow::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (links, channel) = runtime.block_on(async {
            let (mut links, mut channel) = (Vec::new(), ChannelId(0));
            for session in 0..POPULATION.sessions {
                let mut link = way.connect(session).await?;
                link.greet().await?;
                link.resume(people::token(session)).await?;
                channel = link.join(&[people::channel(0)]).await?[0].channel;
                links.push(link);
            }
            anyhow::Ok((links, channel))
        })?;
        Ok(Self { runtime, links, channel, turn: 0, next_id: PING_ID.0 })
    }

    fn request(&mut self, text: &str) -> anyhow::Result<Message> {
        self.next_id = self.next_id.checked_add(1).unwrap_or(PING_ID.0 + 1);
        let content = Content::text(text)?;
        let (id, nonce) = (RequestId(self.next_id), Nonce(Uuid::now_v7()));
        Ok(Send { id, channel: self.channel, nonce, content, in_reply_to: None }.into())
    }
}

impl Mouth for People {
    fn say(&mut self, texts: &[String]) -> anyhow::Result<()> {
        // In bulk one person speaks: the others would only read what they do not want.
        self.turn = if texts.len() > 1 { 0 } else { (self.turn + 1) % self.links.len() };
        let messages = texts.iter().map(|text| self.request(text)).collect::<anyhow::Result<Vec<_>>>()?;
        let link = &mut self.links[self.turn];
        self.runtime.block_on(async {
            link.send(&messages).await?;
            let mut open = messages.len();
            while open > 0 {
                match link.receive().await? {
                    Message::Ack(_) => open -= 1,
                    Message::Error(error) => anyhow::bail!("the relay refused: {error:?}"),
                    _ => {}
                }
            }
            Ok(())
        })
    }

    fn stay_alive(&mut self) -> anyhow::Result<()> {
        for link in &mut self.links {
            self.runtime.block_on(async {
                link.send(&[Ping { id: PING_ID }.into()]).await?;
                while !matches!(link.receive().await?, Message::Pong(_)) {}
                anyhow::Ok(())
            })?;
        }
        Ok(())
    }
}
