//! Planted leaks and live objects: what each tool tells of them.
use crate::tools::{Aim, Tool, blocks};
use crate::{Setup, fresh};
use gleaner_benches::run::run;
use std::process::Command;
use std::time::Duration;

/// What one tool made of all kinds.
#[derive(Default, Debug, Clone)]
pub struct Judged {
    pub kinds: usize,
    /// Told at all; told with the function that lost it.
    pub found: usize,
    pub named: usize,
    pub not_found: Vec<String>,
    pub misnamed: Vec<String>,
    pub places: usize,
    /// Live objects that are called lost; those that are called so perhaps.
    pub accused: Vec<String>,
    pub suspected: Vec<String>,
    /// Runs that ended otherwise than natively, but for the tool's own status for leaks.
    pub broken: Vec<String>,
}

const LIMIT: Duration = Duration::from_secs(60);
/// The function that allocates what is kept.
const KEEPS: &str = "kept";

/// Runs each kind and place under `tool`.
pub fn judge(setup: &Setup, tool: Tool) -> Result<Judged, String> {
    let planted = setup.programs.join("planted").display().to_string();
    let plugin = setup.programs.join("planted.so").display().to_string();
    let list =
        Command::new(&planted).arg("--list").output().map_err(|error| format!("{planted}: {error}"))?;
    let mut judged = Judged::default();
    for line in String::from_utf8_lossy(&list.stdout).lines() {
        let (name, bytes) = line.split_once(' ').unwrap_or((line, "0"));
        let bytes: u64 = bytes.parse().unwrap_or(0);
        let words = [planted.clone(), name.to_owned(), plugin.clone()];
        let folder = fresh(&setup.work.join("truth"))?;
        let mut command = tool.command(setup, &words, Aim::Report, &folder);
        let ran = run(&mut command, LIMIT).map_err(|error| format!("{}: {error}", tool.name()))?;
        let ended = [0, 1, 23, 128 + libc::SIGTERM].contains(&ran.status);
        if ran.timed_out || !ended {
            judged.broken.push(format!("{name} ({})", ran.status));
        }
        let blocks = blocks(tool, &tool.report(&folder));
        let short = name.split_once('_').map_or(name, |(_, rest)| rest).to_owned();
        if name.starts_with("place_") {
            judged.places += 1;
            if blocks.iter().any(|block| block.definite && block.text.contains(KEEPS)) {
                judged.accused.push(short);
            } else if blocks.iter().any(|block| block.text.contains(KEEPS)) {
                judged.suspected.push(short);
            }
            continue;
        }
        judged.kinds += 1;
        let named = blocks.iter().any(|block| block.text.contains(name));
        if named {
            judged.named += 1;
            judged.found += 1;
        } else if blocks.iter().any(|block| bytes > 0 && block.bytes == bytes) {
            judged.found += 1;
            judged.misnamed.push(short);
        } else {
            judged.not_found.push(short);
        }
    }
    Ok(judged)
}
