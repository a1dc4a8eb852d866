//! The programs of programs.txt: do they run under each tool, and what do they leak?
use crate::Setup;
use crate::programs::{Program, is_same, leaks, list};
use crate::tools::{Block, Tool};
use std::fmt::Write;

/// Which programs ran as natively, by tool; of how many.
pub struct Runs {
    pub programs: usize,
    /// Not installed here.
    pub absent: Vec<String>,
    /// Those that ended otherwise than natively.
    pub broken: Vec<(Tool, Vec<String>)>,
}

/// Each program natively and under the tools that are preloaded or fast; whose own output varies is left out.
pub fn runs(setup: &Setup) -> Result<Runs, String> {
    let tools: Vec<Tool> = [Tool::Gleaner]
        .into_iter()
        .chain(setup.peers.iter().copied().filter(|tool| !matches!(tool, Tool::LsanFull)))
        .collect();
    let mut runs = Runs {
        programs: 0,
        absent: Vec::new(),
        broken: tools.iter().map(|&tool| (tool, Vec::new())).collect(),
    };
    for program in list() {
        if !program.is_there() {
            runs.absent.push(program.name);
            continue;
        }
        runs.programs += 1;
        let (native, _) = program.under(setup, Tool::Native)?;
        for (tool, broken) in &mut runs.broken {
            let (ran, _) = program.under(setup, *tool)?;
            if !is_same(&native, &ran) {
                let how = if ran.timed_out { "hung".to_owned() } else { format!("{}", ran.status) };
                eprintln!("{} under {}: {how} (natively {})", program.name, tool.name(), native.status);
                broken.push(format!("{} ({how})", program.name));
            }
        }
    }
    Ok(runs)
}

/// The frames below the allocator, in few words.
fn site(text: &str) -> Vec<String> {
    let frame = |line: &str| -> Option<String> {
        let line = line.trim();
        let name = match line.strip_prefix('#') {
            // #0 0x… in function file:line:column, or (module+offset)
            Some(rest) => {
                let words: Vec<&str> = rest.split_whitespace().skip(2).collect();
                words[usize::from(words.first() == Some(&"in"))..].join(" ")
            }
            // at 0x…: function (file:line), or (in module)
            None => line.split_once(": ")?.1.to_owned(),
        };
        let name = name.split(" (BuildId").next().unwrap_or(&name).to_owned();
        let hidden = ["malloc (in", "calloc (in", "realloc (in", "__interceptor", "vg_replace"];
        (!hidden.iter().any(|head| name.contains(head))).then_some(name)
    };
    text.lines().skip(1).filter_map(frame).collect()
}

fn short(frames: &[String]) -> String {
    let name = |frame: &String| {
        let (head, rest) = frame.split_once(' ').unwrap_or((frame, ""));
        match head.strip_prefix('(') {
            Some(place) => place.trim_end_matches(')').rsplit('/').next().unwrap_or(place).to_owned(),
            None if rest.starts_with("(in ") => {
                let module = rest.trim_start_matches("(in ").trim_end_matches(')');
                format!("{head} in {}", module.rsplit('/').next().unwrap_or(module))
            }
            None => head.to_owned(),
        }
    };
    let names: Vec<String> = frames.iter().take(4).map(name).collect();
    names.join(" ← ").replace('|', "\\|")
}

/// How a leak of ours was looked for in valgrind's report.
fn confirmed(ours: &Block, theirs: &[Block]) -> &'static str {
    let mine = names(&ours.text);
    let shared = |other: &Block| {
        let other = names(&other.text);
        mine.iter().filter(|name| other.contains(name)).count()
    };
    let same = theirs.iter().map(|other| (shared(other), other)).max_by_key(|(n, _)| *n);
    match same {
        Some((n, other)) if n * 2 >= mine.len() && n > 0 && other.definite => "valgrind: definitely lost",
        Some((n, _)) if n * 2 >= mine.len() && n > 0 => "valgrind: possibly lost",
        _ if theirs.iter().any(|other| other.bytes == ours.bytes) => "valgrind: as many bytes, other names",
        _ => "not told by valgrind",
    }
}

/// Functions of a stack, without libc's start.
fn names(text: &str) -> Vec<String> {
    let frames = site(text);
    let heads = frames.iter().map(|frame| frame.split([' ', '@', '(']).next().unwrap_or("").to_owned());
    heads.filter(|head| !head.is_empty() && !head.starts_with("__libc_start") && head != "_start").collect()
}

/// docs/real-leaks.md.
pub fn real(setup: &Setup, only: &[String]) -> Result<String, String> {
    let (mut rows, mut clean, mut lines) = (String::new(), Vec::new(), String::new());
    let mut counts = (0, 0);
    for program in list() {
        if !only.is_empty() && !only.contains(&program.name) || !program.is_there() {
            continue;
        }
        let (_, report) = program.under(setup, Tool::Gleaner)?;
        let found = leaks(Tool::Gleaner, &report);
        counts.0 += 1;
        if found.is_empty() {
            clean.push(program.name.clone());
            continue;
        }
        counts.1 += 1;
        let (_, theirs) = program.under(setup, Tool::Valgrind)?;
        let theirs = crate::tools::blocks(Tool::Valgrind, &theirs);
        rows.push_str(&of_program(&program, &found, &theirs));
        let _ = writeln!(lines, "{:16} {}", program.name, program.line);
        eprintln!("{}: {} leaks", program.name, found.len());
    }
    let mut text = String::from(HEAD);
    let _ = writeln!(text, "{} programs, {} of them with leaks.\n", counts.0, counts.1);
    text.push_str("| program | Debian package | bytes | what | site, innermost first | confirmed by |\n|---|---|---|---|---|---|\n");
    let _ = writeln!(text, "{rows}\nNothing told of: {}.\n", clean.join(", "));
    let _ = write!(
        text,
        "## The lines\n\n`@` stands for `gleaner leaks --`; `$INPUTS` has what `benches/leak` generates.\n\n```\n{lines}```\n"
    );
    Ok(text)
}

const HEAD: &str = "# Leaks of unmodified Debian programs\n\nWritten by `scripts/bench leak real`; not edited by hand. \
Each line of `benches/leak/programs.txt` ran in leak mode; what was told lost is compared with valgrind's report of the same \
line. Most of these leaks are harmless: a program that ends soon need not free. They are real all the same: nothing pointed \
to the memory any more.\n\n";

/// The largest few of one program; a sum of the rest.
fn of_program(program: &Program, found: &[Block], theirs: &[Block]) -> String {
    let mut text = String::new();
    let mut found: Vec<&Block> = found.iter().collect();
    found.sort_by_key(|block| std::cmp::Reverse(block.bytes));
    let version = program.version();
    for block in found.iter().take(4) {
        let kind = block.text.split(' ').next().unwrap_or("").to_lowercase();
        let (name, package) = (&program.name, &program.package);
        let site = short(&site(&block.text));
        let how = confirmed(block, theirs);
        let _ =
            writeln!(text, "| {name} | {package} {version} | {} | {kind} | {site} | {how} |", block.bytes);
    }
    if found.len() > 4 {
        let rest: u64 = found[4..].iter().map(|block| block.bytes).sum();
        let _ = writeln!(text, "| {} | | {rest} | {} more sites | | |", program.name, found.len() - 4);
    }
    text
}
