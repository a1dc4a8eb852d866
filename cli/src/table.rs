//! The option table in three forms: for a terminal, for README, for the manual.
use gleaner_core::pure::options::ROWS;
use std::fmt::Write;

/// Who reads the table.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Form {
    Text,
    Markdown,
    /// mdoc list items, for gleaner(7).
    Manual,
}

pub fn render(form: Form) -> String {
    let mut out = String::new();
    // Writing to a string does not fail.
    let _ = match form {
        Form::Text => text(&mut out),
        Form::Markdown => markdown(&mut out),
        Form::Manual => manual(&mut out),
    };
    out
}

fn text(out: &mut String) -> std::fmt::Result {
    writeln!(out, "GLEANER=name=value:name=value, or `gleaner run -o name=value`.")?;
    writeln!(out, "A colon in a value: log=\"/tmp/a:b\" or log=/tmp/a\\:b\n")?;
    for row in ROWS {
        writeln!(out, "{}={}", row.name, row.kind.placeholder())?;
        for line in wrapped(row.doc, 74) {
            writeln!(out, "    {line}")?;
        }
        writeln!(out, "    [{}; default: {}]", row.allowed(), row.default_text())?;
    }
    Ok(())
}

fn markdown(out: &mut String) -> std::fmt::Result {
    writeln!(out, "| option | values | default | meaning |\n|---|---|---|---|")?;
    for row in ROWS {
        writeln!(out, "| `{}` | {} | `{}` | {} |", row.name, row.allowed(), row.default_text(), row.doc)?;
    }
    Ok(())
}

fn manual(out: &mut String) -> std::fmt::Result {
    for row in ROWS {
        writeln!(
            out,
            ".It Cm {} Ns = Ns Ar {}",
            row.name,
            row.kind.placeholder().to_lowercase().replace('|', " | ")
        )?;
        for sentence in sentences(row.doc) {
            writeln!(out, "{}", escaped(sentence))?;
        }
        writeln!(out, "The value is {};", escaped(&row.allowed().to_string()))?;
        writeln!(out, "the default is\n.Cm {} .", escaped(&row.default_text().to_string()))?;
    }
    Ok(())
}

/// mdoc wants each sentence on a line of its own.
fn sentences(doc: &str) -> impl Iterator<Item = &str> {
    doc.split_inclusive(". ").map(str::trim_end)
}

/// Text that troff takes as text.
fn escaped(text: &str) -> String {
    let text = text.replace('\\', "\\e");
    if text.starts_with(['.', '\'']) { format!("\\&{text}") } else { text }
}

fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let last = lines.len() - 1;
        if lines[last].is_empty() {
            lines[last].push_str(word);
        } else if lines[last].len() + 1 + word.len() <= width {
            lines[last].push(' ');
            lines[last].push_str(word);
        } else {
            lines.push(word.to_owned());
        }
    }
    lines
}
