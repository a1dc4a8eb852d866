//! A headless Chromium, spoken to over its debugging pipe: no port, no network, no driver.
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

pub struct Browser {
    child: Child,
    to: ChildStdin,
    from: BufReader<ChildStdout>,
    session: String,
    next: u64,
    /// What the page said to its console, errors among it.
    pub said: Vec<String>,
}

const NAMES: &[&str] = &["chromium", "chromium-browser", "google-chrome"];

impl Browser {
    /// None, with a line that says so, where there is no browser.
    pub fn open(profile: &Path, page: &Path) -> Option<Browser> {
        let works = |name: &&&str| {
            Command::new(name).arg("--version").output().is_ok_and(|done| done.status.success())
        };
        let Some(name) = NAMES.iter().find(works) else {
            eprintln!("skipped: there is no Chromium to show the page");
            return None;
        };
        // Descriptors 3 and 4 are the pipe; a shell gives them their numbers.
        let script = "exec \"$0\" \"$@\" 3<&0 4>&1 0</dev/null 1>/dev/null 2>/dev/null";
        let mut child = Command::new("sh")
            .args([
                "-c",
                script,
                name,
                "--headless",
                "--no-sandbox",
                "--disable-gpu",
                "--disable-dev-shm-usage",
            ])
            .args(["--remote-debugging-pipe", "--hide-scrollbars", "--no-first-run", "--disable-extensions"])
            .args(["--disable-background-networking", "--host-resolver-rules=MAP * ~NOTFOUND"])
            .arg(format!("--user-data-dir={}", profile.display()))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (to, from) = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()));
        let mut browser = Browser { child, to, from, session: String::new(), next: 0, said: Vec::new() };
        let target = browser.call("Target.createTarget", json!({"url": "about:blank"}))["targetId"].clone();
        let session = browser.call("Target.attachToTarget", json!({"targetId": target, "flatten": true}));
        browser.session = session["sessionId"].as_str().unwrap().to_owned();
        for domain in ["Runtime", "Log", "Page", "Network"] {
            browser.call(&format!("{domain}.enable"), json!({}));
        }
        browser.size(1280, 900);
        browser.call("Page.navigate", json!({"url": format!("file://{}", page.display())}));
        browser.wait(
            "document.readyState === 'complete' && document.querySelector('#footer').textContent !== ''",
        );
        Some(browser)
    }

    fn call(&mut self, method: &str, params: Value) -> Value {
        self.next += 1;
        let mut request = json!({"id": self.next, "method": method, "params": params});
        if !self.session.is_empty() {
            request["sessionId"] = self.session.as_str().into();
        }
        self.to.write_all(request.to_string().as_bytes()).unwrap();
        self.to.write_all(&[0]).unwrap();
        loop {
            let mut bytes = Vec::new();
            self.from.read_until(0, &mut bytes).unwrap();
            assert!(bytes.pop().is_some(), "the browser ended at {method}");
            let mut message: Value = serde_json::from_slice(&bytes).unwrap();
            if message["id"] == self.next {
                assert!(message["error"].is_null(), "{method}: {message}");
                return message["result"].take();
            }
            match message["method"].as_str() {
                Some("Runtime.exceptionThrown" | "Log.entryAdded" | "Runtime.consoleAPICalled") => {
                    self.said.push(message["params"].to_string());
                }
                Some("Network.requestWillBeSent") => {
                    let url = message["params"]["request"]["url"].as_str().unwrap_or("").to_owned();
                    if !url.starts_with("file://") {
                        self.said.push(format!("a request for {url}"));
                    }
                }
                _ => {}
            }
        }
    }

    /// What an expression is in the page.
    pub fn is(&mut self, expression: &str) -> Value {
        let asked = json!({"expression": expression, "returnByValue": true, "userGesture": true});
        let mut done = self.call("Runtime.evaluate", asked);
        assert!(done["exceptionDetails"].is_null(), "{expression}: {done}");
        done["result"]["value"].take()
    }
    pub fn text(&mut self, selector: &str) -> String {
        let found = self.is(&format!("document.querySelector({selector:?})?.textContent ?? '(none)'"));
        found.as_str().unwrap().to_owned()
    }
    /// Until the expression is true.
    #[track_caller]
    pub fn wait(&mut self, expression: &str) {
        for _ in 0..600 {
            if self.is(expression) == true {
                return;
            }
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
        panic!("never: {expression}");
    }
    /// A click of the mouse in the middle of an element.
    pub fn click(&mut self, selector: &str) {
        let middle = format!(
            "(() => {{ const e = document.querySelector({selector:?}); e.scrollIntoView({{block: 'center'}}); \
             const r = e.getBoundingClientRect(); return [r.x + r.width / 2, r.y + r.height / 2]; }})()"
        );
        let at = self.is(&middle);
        for kind in ["mousePressed", "mouseReleased"] {
            let event = json!({"type": kind, "x": at[0], "y": at[1], "button": "left", "clickCount": 1});
            self.call("Input.dispatchMouseEvent", event);
        }
    }
    pub fn key(&mut self, key: &str) {
        let text = match key {
            "Enter" => "\r",
            one if one.chars().count() == 1 => one,
            _ => "",
        };
        self.call("Input.dispatchKeyEvent", json!({"type": "keyDown", "key": key, "text": text}));
        self.call("Input.dispatchKeyEvent", json!({"type": "keyUp", "key": key}));
    }
    /// A word typed into the search, and the page drawn with the whole of it: the page draws after the last key,
    /// and a part of the word may already find as many rows.
    pub fn search(&mut self, word: &str) {
        self.key("/");
        word.chars().for_each(|c| self.key(&c.to_string()));
        self.wait(&format!("document.querySelector('#search').value === {word:?}"));
        // Timers of one delay end in the order of their beginning: the page's own is before this one.
        let drawn = json!({"expression": "new Promise((done) => setTimeout(done, 0))", "awaitPromise": true});
        self.call("Runtime.evaluate", drawn);
    }
    pub fn size(&mut self, width: u32, height: u32) {
        let metrics = json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": false});
        self.call("Emulation.setDeviceMetricsOverride", metrics);
    }
    /// A picture of what is shown, kept beside the build.
    pub fn picture(&mut self, name: &str) {
        let shot = self.call("Page.captureScreenshot", json!({"format": "png"}));
        let dir = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("pages");
        std::fs::create_dir_all(&dir).unwrap();
        std::fs::write(dir.join(name).with_extension("png"), decoded(shot["data"].as_str().unwrap()))
            .unwrap();
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Base 64, read back.
fn decoded(text: &str) -> Vec<u8> {
    let value = |c: u8| match c {
        b'A'..=b'Z' => Some(c - b'A'),
        b'a'..=b'z' => Some(c - b'a' + 26),
        b'0'..=b'9' => Some(c - b'0' + 52),
        b'+' => Some(62),
        b'/' => Some(63),
        _ => None,
    };
    let (mut out, mut bits, mut have) = (Vec::new(), 0u32, 0);
    for digit in text.bytes().filter_map(value) {
        (bits, have) = (bits << 6 | u32::from(digit), have + 6);
        if have >= 8 {
            have -= 8;
            out.push((bits >> have) as u8);
        }
    }
    out
}
