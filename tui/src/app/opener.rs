//! Opening links with what the system has for that.
//!
//! Invariants: only targets of [`SCHEMES`] are handed on, as one argument and through no shell; what is
//! started has nothing of our terminal.

use std::process::{Command, Stdio};

use anyhow::{Context as _, bail};

use crate::markup::find::SCHEMES;

#[cfg(target_os = "macos")]
const OPENER: &str = "open";
#[cfg(windows)]
const OPENER: &str = "explorer";
#[cfg(not(any(target_os = "macos", windows)))]
const OPENER: &str = "xdg-open";

/// Starts what opens the link, and does not wait for it.
pub fn open(link: &str) -> anyhow::Result<()> {
    check(link)?;
    let null = Stdio::null;
    let started = Command::new(OPENER).arg(link).stdin(null()).stdout(null()).stderr(null()).spawn();
    let mut child = started.with_context(|| format!("{OPENER} could not be started to open {link}"))?;
    // Whoever starts a program has to take note of its end.
    std::thread::Builder::new().name("opener".to_owned()).spawn(move || child.wait())?;
    Ok(())
}

fn check(link: &str) -> anyhow::Result<()> {
    let permitted = SCHEMES.iter().any(|scheme| link.starts_with(scheme));
    if !permitted || !link.bytes().all(|byte| byte.is_ascii_graphic()) {
        bail!("only links that begin with {} are opened", SCHEMES.join(", "));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_links_of_known_schemes_are_handed_to_the_system() {
        for link in ["https://example.org/a?b=c", "mailto:misha@example.org"] {
            assert!(check(link).is_ok(), "{link}");
        }
        for link in
            ["file:///etc/passwd", "-x", "", "javascript:1", "https://a b", "https://\u{1b}[0m", "/bin/sh"]
        {
            assert!(check(link).is_err(), "{link:?}");
        }
    }
}
