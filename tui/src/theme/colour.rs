//! Colours as numbers: contrast by WCAG 2.2, and what is left of a colour in a terminal that has few.
//!
//! Invariants: what [`readable`] returns has the asked contrast, or is black or white; [`to_256`] never uses the first sixteen
//! colours, which every user's palette draws otherwise.

use std::sync::OnceLock;

use ratatui::style::Color;

/// Contrast that text needs against its background (WCAG 2.2, 1.4.3, level AA).
pub const CONTRAST_MIN: f64 = 4.5;

/// A colour by its parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rgb(pub u8, pub u8, pub u8);

/// A colour as palettes are published: `0xRRGGBB`.
pub const fn hex(value: u32) -> Rgb {
    let [_, r, g, b] = value.to_be_bytes();
    Rgb(r, g, b)
}

impl From<Rgb> for Color {
    fn from(Rgb(r, g, b): Rgb) -> Self {
        Self::Rgb(r, g, b)
    }
}

/// Relative luminance, 0 to 1 (WCAG 2.2).
fn luminance(Rgb(r, g, b): Rgb) -> f64 {
    let linear = |part: u8| {
        let part = f64::from(part) / 255.0;
        if part <= 0.040_45 { part / 12.92 } else { ((part + 0.055) / 1.055).powf(2.4) }
    };
    0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b)
}

/// Contrast of two colours, 1 to 21 (WCAG 2.2).
pub fn contrast(a: Rgb, b: Rgb) -> f64 {
    let (a, b) = (luminance(a), luminance(b));
    (a.max(b) + 0.05) / (a.min(b) + 0.05)
}

/// Whether light text stands out better.
pub fn is_dark(background: Rgb) -> bool {
    contrast(background, Rgb(255, 255, 255)) >= contrast(background, Rgb(0, 0, 0))
}

/// The colour, moved towards white or black in steps until it can be read.
pub fn readable(colour: Rgb, background: Rgb) -> Rgb {
    let towards = if is_dark(background) { 255 } else { 0 };
    let steps = (0..=16).map(|step| mix(colour, Rgb(towards, towards, towards), step));
    let fits = |colour: &Rgb| contrast(*colour, background) >= CONTRAST_MIN;
    steps.into_iter().find(fits).unwrap_or(Rgb(towards, towards, towards))
}

/// `sixteenths` of the other colour in it.
fn mix(a: Rgb, b: Rgb, sixteenths: u16) -> Rgb {
    let part = |a: u8, b: u8| {
        let sum = u16::from(a) * (16 - sixteenths) + u16::from(b) * sixteenths;
        u8::try_from(sum / 16).unwrap_or(u8::MAX)
    };
    Rgb(part(a.0, b.0), part(a.1, b.1), part(a.2, b.2))
}

/// A bright colour of a hue in degrees.
pub fn of_hue(degrees: u16) -> Rgb {
    let (sector, within) = ((degrees % 360) / 60, degrees % 60);
    // Saturated, but not to the last: 64 to 224 of 255.
    let rise = 64 + u8::try_from(within * 160 / 60).unwrap_or(0);
    let fall = 64 + (224 - rise);
    match sector {
        0 => Rgb(224, rise, 64),
        1 => Rgb(fall, 224, 64),
        2 => Rgb(64, 224, rise),
        3 => Rgb(64, fall, 224),
        4 => Rgb(rise, 64, 224),
        _ => Rgb(224, 64, fall),
    }
}

/// Entries 16 to 255 of the palette that xterm made common: a cube of 6×6×6 and 24 greys.
fn palette() -> &'static [Rgb; 240] {
    static PALETTE: OnceLock<[Rgb; 240]> = OnceLock::new();
    PALETTE.get_or_init(|| {
        const LEVELS: [u8; 6] = [0, 95, 135, 175, 215, 255];
        std::array::from_fn(|at| match at.checked_sub(216) {
            None => Rgb(LEVELS[at / 36], LEVELS[at / 6 % 6], LEVELS[at % 6]),
            Some(grey) => {
                let level = 8 + 10 * u8::try_from(grey).unwrap_or(0);
                Rgb(level, level, level)
            }
        })
    })
}

fn squared_distance(a: Rgb, b: Rgb) -> i32 {
    let part = |a: u8, b: u8| (i32::from(a) - i32::from(b)).pow(2);
    part(a.0, b.0) + part(a.1, b.1) + part(a.2, b.2)
}

/// The nearest of 256 colours: its number, and how it looks.
pub fn to_256(colour: Rgb) -> (u8, Rgb) {
    nearest(colour, |_| true)
}

/// The nearest of 256 colours that can be read on a background.
pub fn to_256_readable(colour: Rgb, background: Rgb) -> (u8, Rgb) {
    nearest(colour, |candidate| contrast(candidate, background) >= CONTRAST_MIN)
}

fn nearest(colour: Rgb, fits: impl Fn(Rgb) -> bool) -> (u8, Rgb) {
    let numbered = palette().iter().enumerate().filter(|(_, candidate)| fits(**candidate));
    let found = numbered.min_by_key(|(_, candidate)| squared_distance(colour, **candidate));
    let (at, seen) = found.map_or((0, palette()[0]), |(at, seen)| (at, *seen));
    (u8::try_from(at + 16).unwrap_or(u8::MAX), seen)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contrast_is_that_of_the_standard() {
        assert!((contrast(hex(0x00_0000), hex(0xff_ffff)) - 21.0).abs() < 0.01);
        assert!((contrast(hex(0x77_7777), hex(0xff_ffff)) - 4.48).abs() < 0.01);
        assert!((contrast(hex(0x12_3456), hex(0x12_3456)) - 1.0).abs() < 0.001);
    }

    #[test]
    fn what_is_too_faint_becomes_readable_and_the_rest_stays() {
        let background = hex(0x1d_2021);
        assert_eq!(readable(hex(0xff_ffff), background), hex(0xff_ffff));
        let faint = hex(0x30_3030);
        assert!(contrast(faint, background) < CONTRAST_MIN);
        assert!(contrast(readable(faint, background), background) >= CONTRAST_MIN);
    }

    #[test]
    fn few_colours_are_the_nearest_ones() {
        assert_eq!(to_256(hex(0x00_0000)).0, 16);
        assert_eq!(to_256(hex(0xff_ffff)).0, 231);
        assert_eq!(to_256(hex(0xff_0000)).0, 196);
        assert_eq!(to_256(hex(0x80_8080)).0, 244);
    }

    #[test]
    fn hues_go_round() {
        assert_eq!(of_hue(0), of_hue(360));
        for pair in (0..360).step_by(15).collect::<Vec<u16>>().windows(2) {
            assert_ne!(of_hue(pair[0]), of_hue(pair[1]));
        }
    }
}
