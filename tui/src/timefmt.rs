//! The relay's times as people read them.
//!
//! Owns the formats; the zone is an argument. A time out of range shows as dashes, never as a panic.

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use mechat_protocol::UnixMillis;

use crate::config::Time;

/// `12:00:00`.
pub fn clock(at: UnixMillis, zone: &TimeZone) -> String {
    format(at, zone, "%H:%M:%S", "--:--:--")
}

/// The time of a message as the user wants it: `12:00:00`, `12:00`, `12:00:00 pm`; always as wide. `short` leaves out the seconds.
pub fn message_clock(at: UnixMillis, zone: &TimeZone, wanted: Time, short: bool) -> String {
    match (wanted.twelve_hours, short || wanted.without_seconds) {
        (false, false) => clock(at, zone),
        (false, true) => format(at, zone, "%H:%M", "--:--"),
        (true, false) => format(at, zone, "%I:%M:%S %P", "--:--:-- --"),
        (true, true) => format(at, zone, "%I:%M %P", "--:-- --"),
    }
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
        let written = |twelve_hours, without_seconds, short| {
            message_clock(at, &zone, Time { twelve_hours, without_seconds }, short)
        };
        assert_eq!(
            (written(false, false, false), written(false, false, true)),
            ("12:03:00".into(), "12:03".into())
        );
        assert_eq!(
            (written(true, false, false), written(true, true, false)),
            ("12:03:00 pm".into(), "12:03 pm".into())
        );
        assert_eq!(day_name(at, &zone), "Friday, 23 February 2024");
        assert_ne!(day(at, &zone), day(UnixMillis(at.0 + 86_400_000), &zone));
        assert_eq!(clock(UnixMillis(i64::MAX), &zone), "--:--:--");
    }
}
