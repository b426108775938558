//! Tables for people, in the form that notes and pages take too.
#![expect(clippy::print_stdout, reason = "this program's results are for people to read")]

use std::time::Duration;

use crate::crowd::float;
use crate::follower::Tally;

/// One table.
pub(crate) struct Table {
    columns: Vec<String>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// With these columns.
    pub(crate) fn new(columns: &[&str]) -> Self {
        Self { columns: columns.iter().map(ToString::to_string).collect(), rows: Vec::new() }
    }

    /// Adds a row.
    pub(crate) fn row(&mut self, cells: Vec<String>) {
        self.rows.push(cells);
    }

    /// Prints it under a title, in Markdown.
    pub(crate) fn print(&self, title: &str) {
        println!("\n### {title}\n\n{}", self.render());
    }

    fn render(&self) -> String {
        let cell = |row: &[String], column: usize| row.get(column).cloned().unwrap_or_default();
        let width = |column: usize, name: &str| {
            let cells = self.rows.iter().map(|row| cell(row, column).chars().count());
            cells.chain([name.chars().count()]).max().unwrap_or_default()
        };
        let widths: Vec<usize> = self.columns.iter().enumerate().map(|(n, name)| width(n, name)).collect();
        let line = |cells: Vec<String>| {
            let padded = widths.iter().zip(cells).map(|(width, cell)| format!(" {cell:<width$} |"));
            format!("|{}\n", padded.collect::<String>())
        };
        let mut text = line(self.columns.clone());
        text.push_str(&line(widths.iter().map(|width| "-".repeat(*width)).collect()));
        for row in &self.rows {
            text.push_str(&line((0..self.columns.len()).map(|column| cell(row, column)).collect()));
        }
        text
    }
}

/// Says something between tables.
pub(crate) fn say(text: &str) {
    println!("{text}");
}

/// A duration in milliseconds.
pub(crate) fn millis(time: Duration) -> String {
    format!("{:.2}", time.as_secs_f64() * 1_000.0)
}

/// Bytes in MiB.
pub(crate) fn mebibytes(bytes: u64) -> String {
    format!("{:.1}", float(bytes) / 1_048_576.0)
}

/// A count with its thousands apart.
pub(crate) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.char_indices() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A measured rate or quantity, rounded to a count.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a rate is positive, and a cast saturates"
)]
pub(crate) fn rounded(number: f64) -> String {
    count(number.round() as u64)
}

/// `lost/repeated/reordered`, and what else is not as it should be.
pub(crate) fn faults(tally: &Tally) -> String {
    let damaged = if tally.damaged > 0 { format!(" DAMAGED {}", tally.damaged) } else { String::new() };
    let refused = if tally.refused > 0 { format!(" REFUSED {}", tally.refused) } else { String::new() };
    let lagged = if tally.lagged > 0 {
        format!(" (lagged {}, pulled {})", count(tally.lagged), count(tally.pulled))
    } else {
        String::new()
    };
    format!("{}/{}/{}{damaged}{refused}{lagged}", tally.lost, tally.repeated, tally.reordered)
}

/// The middle one; of an even number the lower. Nothing is the default.
pub(crate) fn median<T: PartialOrd + Copy + Default>(values: impl IntoIterator<Item = T>) -> T {
    let mut values: Vec<T> = values.into_iter().collect();
    values.sort_by(|a, b| a.partial_cmp(b).unwrap_or(std::cmp::Ordering::Equal));
    values.get(values.len().saturating_sub(1) / 2).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_markdown() {
        let mut table = Table::new(&["a", "wide column"]);
        table.row(vec!["long cell".into(), "x".into()]);
        assert_eq!(
            table.render(),
            "| a         | wide column |\n| --------- | ----------- |\n| long cell | x           |\n"
        );
    }

    #[test]
    fn numbers_are_read_easily() {
        assert_eq!((count(0), count(999), count(1_000)), ("0".into(), "999".into(), "1,000".into()));
        assert_eq!(count(1_234_567), "1,234,567");
        assert_eq!(millis(Duration::from_micros(1_234)), "1.23");
        assert_eq!((median([3, 1, 2]), median([1.5, 0.5]), median::<u8>([])), (2, 0.5, 0));
        let bad = Tally {
            lost: 1,
            repeated: 2,
            reordered: 3,
            damaged: 4,
            refused: 6,
            lagged: 5,
            ..Tally::default()
        };
        assert_eq!(faults(&bad), "1/2/3 DAMAGED 4 REFUSED 6 (lagged 5, pulled 0)");
    }
}
