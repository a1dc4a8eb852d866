use super::*;
use crate::names::Source;
use crate::record::Module;
use proptest::prelude::*;

/// Names that break out of what they are put into.
const HOSTILE: &[&str] = &[
    "</script><script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "a;b 7",
    "]]>&amp;<![CDATA[",
    "\"'`${x}\\",
    "two\nlines\r\n\u{1b}[31m",
    "\u{0}\u{1}\u{fffe}\u{202e}\u{2028}é漢",
    "-->{}#*/",
    " ",
    "",
    "operator<< <std::less<>, int>(int&&)::{lambda()#1}",
    "../../../etc/passwd",
];

fn text() -> impl Strategy<Value = String> {
    prop_oneof![prop::sample::select(HOSTILE).prop_map(str::to_owned), any::<String>(), "[a-z_:<>&]{1,12}"]
}
fn frame() -> impl Strategy<Value = Frame> {
    let source = prop::option::of((text(), 0..3u32, 0..3u32));
    (any::<u64>(), prop::option::of(text()), prop::option::of(text()), source, any::<bool>()).prop_map(
        |(pc, function, linkage, source, known)| Frame {
            pc,
            function,
            linkage,
            source: source.map(|(file, line, column)| Source { file, line, column }),
            place: known.then_some((0, pc)),
            inlined: false,
        },
    )
}
fn stack() -> impl Strategy<Value = Vec<Rc<[Frame]>>> {
    prop::collection::vec(prop::collection::vec(frame(), 1..3).prop_map(Rc::from), 0..4)
}
fn leaks() -> impl Strategy<Value = Vec<Finding>> {
    let kind = prop::sample::select(&[Kind::Direct, Kind::Indirect, Kind::Mapping, Kind::Possible][..]);
    let size = prop_oneof![0..5u64, Just(u64::MAX), any::<u64>()];
    let class = (text(), any::<u64>(), 0..9u64);
    let class = class.prop_map(|(name, bytes, objects)| Class { name, bytes, objects });
    let leak = (kind, size, 0..9u64, stack(), prop::collection::vec(class, 0..3));
    let leak = leak.prop_map(|(kind, bytes, objects, stack, classes)| Finding {
        kind,
        bytes,
        objects,
        stack,
        classes,
        keeps: tree::Keeps::default(),
    });
    prop::collection::vec(leak, 0..4)
}

pub fn written(all: &[Findings<'_>], format: Format) -> Vec<u8> {
    let style = Style { purpose: Purpose::Person, painted: true, source_root: "/src".into() };
    let mut out = Vec::new();
    write(all, format, &style, &mut out).unwrap();
    out
}
fn document(all: &[Findings<'_>], format: Format) -> String {
    String::from_utf8(written(all, format)).unwrap()
}

proptest! {
    #[test]
    fn no_name_breaks_a_format(leaks in leaks(), name in text(), note in text(), used in stack()) {
        let module = Module { start: 1, end: 9, bias: 0, build_id: Some(vec![1]), path: name.clone().into() };
        let record = Record { exe: name.clone(), mode: "leak".into(), modules: vec![module], ..Record::default() };
        let of = Hidden { call: note.clone(), bytes: 1, objects: 1, cycles: 1, allocated: 0, used: 0 };
        let hidden = vec![Use { of: &of, allocated: used.clone(), used }];
        let suppressions = Suppressions::default();
        let all = [Findings { record: &record, leaks, tree: Vec::new(), hidden, growth: Vec::new(), live: HashMap::new(), suppressions: &suppressions, notes: vec![note] }];
        let [found] = &all;
        let json: serde_json::Value = serde_json::from_slice(&written(&all, Format::Json)).unwrap();
        prop_assert_eq!(json["reports"][0]["leaks"].as_array().unwrap().len(), found.leaks.len());
        let sarif: serde_json::Value = serde_json::from_slice(&written(&all, Format::Sarif)).unwrap();
        let results = sarif["runs"][0]["results"].as_array().unwrap();
        prop_assert_eq!(results.len(), found.leaks.len() + 1);
        for result in results {
            let uri = result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"].as_str();
            prop_assert!(uri.is_none_or(|uri| !uri.contains(['<', ' ', '"', '\n', '\\', '?', '#'])));
        }
        let xml = document(&all, Format::ValgrindXml);
        let xml = roxmltree::Document::parse(&xml).unwrap();
        let errors = xml.root_element().children().filter(|node| node.has_tag_name("error"));
        prop_assert_eq!(errors.count(), found.leaks.len() + 1);
        for line in document(&all, Format::Folded).lines() {
            prop_assert!(line.rsplit_once(' ').unwrap().1.parse::<u64>().is_ok());
        }
        let svg = document(&all, Format::Svg);
        prop_assert!(!svg.contains("<img") && !svg.contains("</script><script>"));
        let text = document(&all, Format::Text);
        // No colour but ours, which a line ends as plain.
        let painted = text.lines().filter(|line| line.contains("\u{1b}[31m"));
        prop_assert!(painted.count() == 1 && text.contains("SUMMARY"));
        let page = document(&all, Format::Html);
        prop_assert_eq!(page.matches("<script").count(), 2);
        prop_assert_eq!(page.matches("</script>").count(), 2);
        prop_assert_eq!(page.matches("<img").count(), 0);
        let data = page.split("id=\"data\">").nth(1).and_then(|rest| rest.split("</script>").next()).unwrap();
        let data: serde_json::Value = serde_json::from_str(data).unwrap();
        prop_assert_eq!(data["sites"].as_array().unwrap().len(), found.leaks.len() + 1);
        prop_assert!(pprof::profile(&all).sample.len() == found.leaks.len() + 1);
    }
}
