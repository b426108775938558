//! The palettes: what each theme calls its colours. Plain values as their authors publish them; what could not be read is
//! moved until it can ([`super::colour::readable`]).

use super::colour::{Rgb, hex};

/// The colours of a theme.
#[derive(Debug, PartialEq, Eq)]
pub struct Palette {
    /// Its name in the configuration.
    pub name: &'static str,
    /// In a few words.
    pub title: &'static str,
    /// `None`: the terminal's own sixteen colours on its own background.
    pub colours: Option<Colours>,
}

/// Colours by what they are for.
#[derive(Debug, PartialEq, Eq)]
pub struct Colours {
    /// Behind everything.
    pub background: Rgb,
    /// Text to read.
    pub text: Rgb,
    /// What stands back.
    pub quiet: Rgb,
    /// Lines between panes.
    pub rule: Rgb,
    /// Behind what is selected.
    pub selection: Rgb,
    /// Behind the line at the bottom.
    pub bar: Rgb,
    /// Keys, focus.
    pub accent: Rgb,
    /// Links.
    pub link: Rgb,
    /// It works.
    pub good: Rgb,
    /// It takes a while, and what is unread.
    pub waiting: Rgb,
    /// It does not work.
    pub error: Rgb,
    /// Somebody means one.
    pub mention: Rgb,
    /// Code.
    pub code: Rgb,
}

#[expect(clippy::unnecessary_wraps, reason = "the table's column is optional")]
/// A palette from its values, in the order of the fields.
const fn colours(values: [u32; 13]) -> Option<Colours> {
    let [background, text, quiet, rule, selection, bar, accent, link, good, waiting, error, mention, code] =
        values;
    Some(Colours {
        background: hex(background),
        text: hex(text),
        quiet: hex(quiet),
        rule: hex(rule),
        selection: hex(selection),
        bar: hex(bar),
        accent: hex(accent),
        link: hex(link),
        good: hex(good),
        waiting: hex(waiting),
        error: hex(error),
        mention: hex(mention),
        code: hex(code),
    })
}

#[rustfmt::skip]
/// All themes, in the order of the picker.
pub static PALETTES: &[Palette] = &[
    Palette { name: "terminal", title: "your terminal's own colours", colours: None },
    //                                                                  background text      quiet     rule      selection bar       accent    link      good      waiting   error     mention   code
    Palette { name: "dark", title: "calm, on dark grey", colours: colours([0x16_181d, 0xd8_dbe2, 0x8b_93a3, 0x34_3a46, 0x2b_3648, 0x22_262f, 0x7c_b7ff, 0x7c_b7ff, 0x7f_cf8a, 0xe5_c07b, 0xf0_7178, 0xf5_a97f, 0xb5_c4e0]) },
    Palette { name: "light", title: "calm, on paper white", colours: colours([0xfa_faf7, 0x24_2933, 0x5f_6672, 0xd0_d3d8, 0xd6_e4f7, 0xe9_ebee, 0x1f_5fbf, 0x1f_5fbf, 0x1f_7a3a, 0x8a_5a00, 0xb4_2318, 0xa0_4100, 0x3b_4a66]) },
    Palette { name: "contrast", title: "the most contrast, on black", colours: colours([0x00_0000, 0xff_ffff, 0xc8_c8c8, 0x80_8080, 0x00_3a8c, 0x26_2626, 0x6f_e0ff, 0x6f_e0ff, 0x6b_ff8a, 0xff_e34d, 0xff_7a7a, 0xff_b04d, 0xe0_e0ff]) },
    Palette { name: "gruvbox", title: "Gruvbox dark", colours: colours([0x28_2828, 0xeb_dbb2, 0xa8_9984, 0x50_4945, 0x50_4945, 0x3c_3836, 0x83_a598, 0x8e_c07c, 0xb8_bb26, 0xfa_bd2f, 0xfb_4934, 0xfe_8019, 0xd3_869b]) },
    Palette { name: "gruvbox-light", title: "Gruvbox light", colours: colours([0xfb_f1c7, 0x3c_3836, 0x7c_6f64, 0xd5_c4a1, 0xeb_dbb2, 0xeb_dbb2, 0x07_6678, 0x42_7b58, 0x79_740e, 0xb5_7614, 0x9d_0006, 0xaf_3a03, 0x8f_3f71]) },
    Palette { name: "nord", title: "Nord", colours: colours([0x2e_3440, 0xe5_e9f0, 0xa3_adbf, 0x4c_566a, 0x43_4c5e, 0x3b_4252, 0x88_c0d0, 0x81_a1c1, 0xa3_be8c, 0xeb_cb8b, 0xbf_616a, 0xd0_8770, 0xb4_8ead]) },
    Palette { name: "catppuccin", title: "Catppuccin Mocha", colours: colours([0x1e_1e2e, 0xcd_d6f4, 0x93_99b2, 0x45_475a, 0x45_475a, 0x31_3244, 0x89_b4fa, 0x74_c7ec, 0xa6_e3a1, 0xf9_e2af, 0xf3_8ba8, 0xfa_b387, 0xcb_a6f7]) },
    Palette { name: "solarized", title: "Solarized dark", colours: colours([0x00_2b36, 0x93_a1a1, 0x83_9496, 0x58_6e75, 0x07_3642, 0x07_3642, 0x26_8bd2, 0x2a_a198, 0x85_9900, 0xb5_8900, 0xdc_322f, 0xcb_4b16, 0x6c_71c4]) },
    Palette { name: "solarized-light", title: "Solarized light", colours: colours([0xfd_f6e3, 0x58_6e75, 0x65_7b83, 0x93_a1a1, 0xee_e8d5, 0xee_e8d5, 0x26_8bd2, 0x2a_a198, 0x85_9900, 0xb5_8900, 0xdc_322f, 0xcb_4b16, 0x6c_71c4]) },
    Palette { name: "dracula", title: "Dracula", colours: colours([0x28_2a36, 0xf8_f8f2, 0xa4_add0, 0x62_72a4, 0x44_475a, 0x34_3746, 0xbd_93f9, 0x8b_e9fd, 0x50_fa7b, 0xf1_fa8c, 0xff_5555, 0xff_b86c, 0xff_79c6]) },
];

/// The palette of a name.
pub fn named(name: &str) -> Option<&'static Palette> {
    PALETTES.iter().find(|palette| palette.name == name)
}
