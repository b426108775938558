//! One pass over the bytes of a frame before serde sees them.
//!
//! Owns the structural checks: one complete MessagePack value, bounded depth, no length that the
//! frame cannot hold, no extension types. It also finds the tag and the request's id, so that even a message that
//! cannot be decoded gets an answer. It allocates nothing and does not recurse.

use crate::id::RequestId;
use crate::limits::DEPTH_MAX;

/// What a frame holds, seen from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outline<'a> {
    /// The only key of the outermost map.
    pub tag: &'a str,
    /// The `id` of its value, where there is one that fits.
    pub id: Option<RequestId>,
}

/// The bytes are not one well-formed message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ScanError {
    /// The value ends before it is complete.
    #[error("the MessagePack value is cut short")]
    Truncated,
    /// Bytes follow the value.
    #[error("bytes follow the MessagePack value")]
    Trailing,
    /// Maps and arrays are nested too deep.
    #[error("maps and arrays nest at most {DEPTH_MAX} deep")]
    TooDeep,
    /// A byte that begins no value, or an extension type.
    #[error("MessagePack extension and reserved types are not used")]
    Foreign,
    /// The outermost value is not a map with one string key.
    #[error("a message is a map with one key, its tag")]
    NotAMessage,
}

/// Head of a value: how many bytes of payload and how many values follow.
struct Head {
    payload: usize,
    values: usize,
}

struct Cursor<'a> {
    rest: &'a [u8],
}

impl<'a> Cursor<'a> {
    fn take(&mut self, len: usize) -> Result<&'a [u8], ScanError> {
        let (taken, rest) = self.rest.split_at_checked(len).ok_or(ScanError::Truncated)?;
        self.rest = rest;
        Ok(taken)
    }

    fn number(&mut self, len: usize) -> Result<usize, ScanError> {
        let bytes = self.take(len)?;
        Ok(bytes.iter().fold(0, |number, byte| number << 8 | usize::from(*byte)))
    }

    fn head(&mut self) -> Result<Head, ScanError> {
        let [marker] = self.take(1)? else { return Err(ScanError::Truncated) };
        let leaf = |payload| Head { payload, values: 0 };
        let nest = |values| Head { payload: 0, values };
        Ok(match *marker {
            0x00..=0x7f | 0xe0..=0xff | 0xc0 | 0xc2 | 0xc3 => leaf(0),
            m @ 0x80..=0x8f => nest(2 * usize::from(m & 0x0f)),
            m @ 0x90..=0x9f => nest(usize::from(m & 0x0f)),
            m @ 0xa0..=0xbf => leaf(usize::from(m & 0x1f)),
            0xc4 | 0xd9 => leaf(self.number(1)?),
            0xc5 | 0xda => leaf(self.number(2)?),
            0xc6 | 0xdb => leaf(self.number(4)?),
            0xcc | 0xd0 => leaf(1),
            0xcd | 0xd1 => leaf(2),
            0xca | 0xce | 0xd2 => leaf(4),
            0xcb | 0xcf | 0xd3 => leaf(8),
            0xdc => nest(self.number(2)?),
            0xdd => nest(self.number(4)?),
            0xde => nest(2 * self.number(2)?),
            0xdf => nest(self.number(4)?.saturating_mul(2)),
            0xc1 | 0xc7..=0xc9 | 0xd4..=0xd8 => return Err(ScanError::Foreign),
        })
    }

    /// Passes one value, which stands `depth` containers deep.
    fn skip(&mut self, depth: usize) -> Result<(), ScanError> {
        let mut open = [0_usize; DEPTH_MAX];
        let mut level = depth;
        loop {
            let head = self.head()?;
            self.take(head.payload)?;
            if head.values > 0 {
                // Each value takes at least a byte, so a count beyond the rest is a lie.
                if head.values > self.rest.len() {
                    return Err(ScanError::Truncated);
                }
                *open.get_mut(level).ok_or(ScanError::TooDeep)? = head.values;
                level += 1;
                continue;
            }
            while level > depth {
                open[level - 1] -= 1;
                if open[level - 1] > 0 {
                    break;
                }
                level -= 1;
            }
            if level == depth {
                return Ok(());
            }
        }
    }

    /// Passes a map's key; `None` if it is not a string.
    fn key(&mut self) -> Result<Option<&'a str>, ScanError> {
        if !matches!(self.rest.first(), Some(0xa0..=0xbf | 0xd9..=0xdb)) {
            self.skip(2)?;
            return Ok(None);
        }
        let head = self.head()?;
        Ok(std::str::from_utf8(self.take(head.payload)?).ok())
    }

    /// Passes an unsigned number; `None`, and passes nothing more, if it is something else.
    fn unsigned(&mut self) -> Result<Option<u32>, ScanError> {
        let [marker] = self.take(1)? else { return Err(ScanError::Truncated) };
        let len = match marker {
            0x00..=0x7f => return Ok(Some(u32::from(*marker))),
            0xcc => 1,
            0xcd => 2,
            0xce => 4,
            0xcf => 8,
            _ => return Ok(None),
        };
        Ok(u32::try_from(self.number(len)?).ok())
    }
}

/// Checks the structure of a frame and finds its tag and id.
pub fn outline(frame: &[u8]) -> Result<Outline<'_>, ScanError> {
    let mut whole = Cursor { rest: frame };
    whole.skip(0)?;
    if !whole.rest.is_empty() {
        return Err(ScanError::Trailing);
    }
    let mut cursor = Cursor { rest: frame };
    if !is_map(frame) || cursor.head()?.values != 2 {
        return Err(ScanError::NotAMessage);
    }
    let tag = cursor.key()?.ok_or(ScanError::NotAMessage)?;
    Ok(Outline { tag, id: find_id(cursor)? })
}

fn is_map(bytes: &[u8]) -> bool {
    matches!(bytes.first(), Some(0x80..=0x8f | 0xde | 0xdf))
}

fn find_id(mut cursor: Cursor<'_>) -> Result<Option<RequestId>, ScanError> {
    if !is_map(cursor.rest) {
        return Ok(None);
    }
    let pairs = cursor.head()?.values / 2;
    for _ in 0..pairs {
        if cursor.key()? == Some("id") {
            return Ok(cursor.unsigned()?.map(RequestId));
        }
        cursor.skip(2)?;
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_tag_and_id_wherever_they_stand() {
        let frame = b"\x81\xa4ping\x82\xa1x\x91\xc0\xa2id\xcd\x01\x02";
        assert_eq!(outline(frame), Ok(Outline { tag: "ping", id: Some(RequestId(0x102)) }));
        assert_eq!(outline(b"\x81\xa4ping\xc0"), Ok(Outline { tag: "ping", id: None }));
        assert_eq!(outline(b"\x81\xa4ping\x81\xa2id\xff"), Ok(Outline { tag: "ping", id: None }));
    }

    #[test]
    fn refuses_what_is_not_one_bounded_value() {
        assert_eq!(outline(b""), Err(ScanError::Truncated));
        assert_eq!(outline(b"\x81\xa4pin"), Err(ScanError::Truncated));
        assert_eq!(outline(b"\xc0\xc0"), Err(ScanError::Trailing));
        assert_eq!(outline(b"\xc0"), Err(ScanError::NotAMessage));
        assert_eq!(outline(b"\x81\x01\xc0"), Err(ScanError::NotAMessage));
        assert_eq!(outline(b"\x81\xa4ping\xd4\x00\x00"), Err(ScanError::Foreign));
        assert_eq!(outline(b"\xdd\xff\xff\xff\xff"), Err(ScanError::Truncated));
        assert_eq!(outline(b"\xdf\xff\xff\xff\xff\xc0"), Err(ScanError::Truncated));
    }

    #[test]
    fn bounds_the_depth_exactly() {
        let nested = |depth: usize| {
            let mut frame = b"\x81\xa1t".to_vec();
            frame.extend(vec![0x91; depth - 1]);
            frame.push(0xc0);
            frame
        };
        assert!(outline(&nested(DEPTH_MAX)).is_ok());
        assert_eq!(outline(&nested(DEPTH_MAX + 1)), Err(ScanError::TooDeep));
        assert_eq!(outline(&vec![0x91; 60_000]), Err(ScanError::TooDeep));
    }
}
