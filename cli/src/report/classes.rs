//! Which C++ classes the objects of a stack are of.
use super::stack;
use crate::names::Names;
use crate::record::{Kind, Pc, Record, Typing};
use serde::Serialize;
use std::collections::HashMap;

/// Objects of one class.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Class {
    pub name: String,
    pub bytes: u64,
    pub objects: u64,
}

/// By what they are of.
pub struct Classes<'a> {
    pub leaks: HashMap<(Kind, &'a [Pc]), Vec<Class>>,
    /// By the stack's number.
    pub live: HashMap<u64, String>,
}

/// What the record tells. Two vtables of one name are one class.
pub fn all<'a>(record: &'a Record, names: &mut Names<'_>) -> Classes<'a> {
    let mut all = Classes { leaks: HashMap::new(), live: HashMap::new() };
    for one in &record.types {
        let Some(name) = names.class(record, one) else { continue };
        let Typing::Leaks(kind) = one.of else {
            all.live.insert(one.stack, name);
            continue;
        };
        let classes = all.leaks.entry((kind, stack(record, one.stack))).or_default();
        let at = classes.iter().position(|class| class.name == name).unwrap_or_else(|| {
            classes.push(Class { name, bytes: 0, objects: 0 });
            classes.len() - 1
        });
        classes[at].bytes = classes[at].bytes.saturating_add(one.bytes);
        classes[at].objects = classes[at].objects.saturating_add(one.objects);
    }
    all.leaks.values_mut().for_each(|classes| classes.sort_by_key(|class| std::cmp::Reverse(class.bytes)));
    all
}

/// `3 objects of ns::Widget`, without what a line must not hold.
pub fn told(class: &Class) -> String {
    let name: String = class.name.chars().map(|c| if c.is_control() { '?' } else { c }).collect();
    format!("{} object{} of {name}", class.objects, if class.objects == 1 { "" } else { "s" })
}
