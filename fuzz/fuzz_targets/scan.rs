//! The scan's own reading of MessagePack against rmp-serde's.
//!
//! What must hold: the scan lets a frame pass exactly if rmp-serde reads all of it as one value that is not too deep and has no
//! extension types; then both name the same tag and id.
#![no_main]

use std::fmt;
use std::io::Cursor;

use libfuzzer_sys::fuzz_target;
use mechat_protocol::limits::DEPTH_MAX;
use mechat_protocol::scan::{ScanError, outline};
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

fuzz_target!(|bytes: &[u8]| {
    let second = second_opinion(bytes);
    match outline(bytes) {
        Ok(outline) => {
            let shape = second.expect("what the scan lets pass can be read");
            assert!(shape.depth <= DEPTH_MAX && !shape.foreign);
            assert_eq!(shape.tag.as_deref(), Some(outline.tag));
            if let Some(id) = outline.id {
                assert_eq!(shape.inner_id, Some(u64::from(id.0)));
            }
        }
        Err(ScanError::NotAMessage) => assert!(second.is_some_and(|shape| !shape.foreign)),
        // A key that is no tag is passed over as if it stood a level deeper; it is refused either way.
        Err(ScanError::TooDeep) => assert!(
            second.is_none_or(|shape| { shape.foreign || shape.depth > DEPTH_MAX || shape.tag.is_none() })
        ),
        Err(_) => assert!(second.is_none_or(|shape| shape.foreign || shape.depth > DEPTH_MAX)),
    }
});

fn second_opinion(bytes: &[u8]) -> Option<Shape> {
    let mut decoder = rmp_serde::Deserializer::new(Cursor::new(bytes));
    let shape = Shape::deserialize(&mut decoder).ok()?;
    (decoder.get_ref().position() == bytes.len() as u64).then_some(shape)
}

/// What there is to know of a value.
#[derive(Default)]
struct Shape {
    /// Levels of maps and arrays that hold something.
    depth: usize,
    foreign: bool,
    /// Its only key, where it is a map of one pair.
    tag: Option<String>,
    text: Option<String>,
    number: Option<u64>,
    /// The first `id`, where it is a map.
    id: Option<u64>,
    /// That of its only value.
    inner_id: Option<u64>,
}

impl Shape {
    fn nest(&mut self, inner: &Self) {
        self.depth = self.depth.max(inner.depth + 1);
        self.foreign |= inner.foreign;
    }
}

impl<'de> Deserialize<'de> for Shape {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Look)
    }
}

struct Look;

impl<'de> Visitor<'de> for Look {
    type Value = Shape;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_bool<E>(self, _: bool) -> Result<Shape, E> {
        Ok(Shape::default())
    }

    fn visit_i64<E>(self, _: i64) -> Result<Shape, E> {
        Ok(Shape::default())
    }

    fn visit_u64<E>(self, number: u64) -> Result<Shape, E> {
        Ok(Shape { number: Some(number), ..Shape::default() })
    }

    fn visit_f64<E>(self, _: f64) -> Result<Shape, E> {
        Ok(Shape::default())
    }

    fn visit_str<E>(self, text: &str) -> Result<Shape, E> {
        Ok(Shape { text: Some(text.to_owned()), ..Shape::default() })
    }

    fn visit_bytes<E>(self, _: &[u8]) -> Result<Shape, E> {
        Ok(Shape::default())
    }

    fn visit_unit<E>(self) -> Result<Shape, E> {
        Ok(Shape::default())
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, extension: D) -> Result<Shape, D::Error> {
        IgnoredAny::deserialize(extension)?;
        Ok(Shape { foreign: true, ..Shape::default() })
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut values: A) -> Result<Shape, A::Error> {
        let mut shape = Shape::default();
        while let Some(inner) = values.next_element::<Shape>()? {
            shape.nest(&inner);
        }
        Ok(shape)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut pairs: A) -> Result<Shape, A::Error> {
        let (mut shape, mut count, mut id_seen) = (Shape::default(), 0, false);
        while let Some((key, value)) = pairs.next_entry::<Shape, Shape>()? {
            shape.nest(&key);
            shape.nest(&value);
            count += 1;
            if key.text.as_deref() == Some("id") && !id_seen {
                id_seen = true;
                shape.id = value.number;
            }
            shape.inner_id = if count == 1 { value.id } else { None };
            shape.tag = if count == 1 { key.text } else { None };
        }
        Ok(shape)
    }
}
