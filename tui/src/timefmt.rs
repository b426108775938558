//! The relay's times as people read them.
//!
//! Owns the formats; the zone is an argument. A time out of range shows as dashes, never as a panic.

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use mechat_protocol::UnixMillis;

/// `12:00:00`.
pub fn clock(at: UnixMillis, zone: &TimeZone) -> String {
    format(at, zone, "%H:%M:%S", "--:--:--")
}

/// `12:00`.
pub fn short_clock(at: UnixMillis, zone: &TimeZone) -> String {
    format(at, zone, "%H:%M", "--:--")
}

/// `23-02-2024, 11:03:00`.
pub fn created(at: UnixMillis, zone: &TimeZone) -> String {
    format(at, zone, "%d-%m-%Y, %H:%M:%S", "--")
}

/// `Friday, 23 February 2024`.
pub fn day_name(at: UnixMillis, zone: &TimeZone) -> String {
    format(at, zone, "%A, %-d %B %Y", "--")
}

/// The day, for telling one from the next.
pub fn day(at: UnixMillis, zone: &TimeZone) -> Option<Date> {
    Some(Timestamp::from_millisecond(at.0).ok()?.to_zoned(zone.clone()).date())
}

fn format(at: UnixMillis, zone: &TimeZone, format: &str, otherwise: &str) -> String {
    match Timestamp::from_millisecond(at.0) {
        Ok(time) => time.to_zoned(zone.clone()).strftime(format).to_string(),
        Err(_) => otherwise.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_local_time() {
        let at = UnixMillis(1_708_686_180_000);
        let zone = TimeZone::fixed(jiff::tz::offset(1));
        assert_eq!(created(at, &TimeZone::UTC), "23-02-2024, 11:03:00");
        assert_eq!(clock(at, &zone), "12:03:00");
        assert_eq!(short_clock(at, &zone), "12:03");
        assert_eq!(day_name(at, &zone), "Friday, 23 February 2024");
        assert_ne!(day(at, &zone), day(UnixMillis(at.0 + 86_400_000), &zone));
        assert_eq!(clock(UnixMillis(i64::MAX), &zone), "--:--:--");
    }
}
