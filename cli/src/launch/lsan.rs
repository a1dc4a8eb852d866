//! LSAN_OPTIONS, for scripts that set it: what of it has a meaning here becomes options of ours.
//!
//! They come first: what GLEANER and the command line say holds over them.
use std::path::Path;

/// As LeakSanitizer spells them; what has no counterpart here, and needs none.
const WITHOUT_EFFECT: &[&str] = &[
    "allocator_may_return_null",
    "abort_on_error",
    "color",
    "fast_unwind_on_fatal",
    "fast_unwind_on_malloc",
    "handle_abort",
    "handle_segv",
    "help",
    "intercept_tls_get_addr",
    "leak_check_at_exit",
    "log_exe_name",
    "log_pointers",
    "log_threads",
    "malloc_context_size",
    "max_leaks",
    "print_module_map",
    "print_stats",
    "print_summary",
    "print_suppressions",
    "report_objects",
    "resolution",
    "stack_trace_format",
    "strip_path_prefix",
    "symbolize",
    "thread_suspend_fail",
    "use_globals",
    "use_ld_allocations",
    "use_poisoned",
    "use_registers",
    "use_root_regions",
    "use_stacks",
    "use_tls",
    "use_unaligned",
];

/// Our options for theirs, in our syntax, and remarks for those who asked for some.
pub fn translated(theirs: &str) -> (Vec<u8>, Vec<String>) {
    let (mut ours, mut remarks, mut verbosity) = (Vec::new(), Vec::new(), 0);
    for (name, value) in words(theirs) {
        let path =
            |value: &str| std::path::absolute(Path::new(value)).map(|p| p.to_string_lossy().into_owned());
        let mut put = |name: &str, value: &str| ours.extend(item(name, value));
        match &*name {
            "exitcode" if value.parse::<u8>().is_ok() => put("exitcode", &value),
            "suppressions" if !value.is_empty() => put("suppressions", &path(&value).unwrap_or(value)),
            "log_path" if value == "stderr" => {}
            // There a dot and the process id are added.
            "log_path" if !value.is_empty() && value != "stdout" => {
                put("log", &format!("{}.%p", path(&value).unwrap_or(value).replace('%', "%%")));
            }
            "detect_leaks" if matches!(&*value, "0" | "false" | "no") => put("mode", "malloc"),
            "detect_leaks" => {}
            "verbosity" => {
                verbosity = value.parse::<u8>().unwrap_or(0);
                put("verbose", &verbosity.min(3).to_string());
            }
            "exitcode" | "suppressions" | "log_path" => {
                remarks.push(format!("LSAN_OPTIONS: {name}={value} is not understood"));
            }
            known if WITHOUT_EFFECT.contains(&known) => {
                remarks.push(format!("LSAN_OPTIONS: {name} has no effect under gleaner"));
            }
            _ => remarks.push(format!("LSAN_OPTIONS: there is no option {name}")),
        }
    }
    (ours, if verbosity > 0 { remarks } else { Vec::new() })
}

/// `name=value`, parted by colons, commas and blanks; a value may be quoted.
fn words(text: &str) -> Vec<(String, String)> {
    let (mut found, mut rest) = (Vec::new(), text);
    loop {
        rest = rest.trim_start_matches([':', ',', ' ', '\t', '\n', '\r']);
        let Some((name, after)) = rest.split_once('=') else { return found };
        let quote = after.chars().next().filter(|c| matches!(c, '"' | '\''));
        let (value, tail) = match quote {
            Some(quote) => after[1..].split_once(quote).unwrap_or((&after[1..], "")),
            None => after.split_at(after.find([':', ',', ' ', '\t', '\n', '\r']).unwrap_or(after.len())),
        };
        found.push((name.trim().to_owned(), value.to_owned()));
        rest = tail;
    }
}

fn item(name: &str, value: &str) -> Vec<u8> {
    let mut text = format!(":{name}=").into_bytes();
    for byte in value.bytes() {
        if matches!(byte, b':' | b'"' | b'\\') || byte.is_ascii_whitespace() {
            text.push(b'\\');
        }
        text.push(byte);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_a_meaning() {
        let said = |text: &str| String::from_utf8(translated(text).0).unwrap();
        assert_eq!(said("exitcode=7:suppressions=/a b/x,log_path=/tmp/l%"), ":exitcode=7:suppressions=/a");
        assert_eq!(said("suppressions='/a b:c/x' exitcode=7"), ":suppressions=/a\\ b\\:c/x:exitcode=7");
        assert_eq!(said("log_path=/tmp/l%:use_stacks=0"), ":log=/tmp/l%%.%p");
        assert_eq!(said("detect_leaks=0:log_path=stderr:exitcode=999"), ":mode=malloc");
        assert_eq!(said(""), "");
        for odd in ["=", "a", "a=", "=:=", "x='", ":::,"] {
            translated(odd);
        }
    }
    #[test]
    fn unknown_ones_are_told_to_who_asks() {
        assert_eq!(translated("use_stacks=0:typo=1").1, Vec::<String>::new());
        let told = translated("use_stacks=0:typo=1:verbosity=1").1;
        assert_eq!(
            told,
            ["LSAN_OPTIONS: use_stacks has no effect under gleaner", "LSAN_OPTIONS: there is no option typo"]
        );
    }
}
