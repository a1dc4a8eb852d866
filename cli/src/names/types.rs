//! Names of C++ types: what stands in `type_info`, and behind `_ZTV`.
use addr2line::demangle_auto;
use std::borrow::Cow;

/// What the demangler puts before a type, since a type alone is no symbol.
const HEAD: &str = "typeinfo for ";

/// The type that a mangled name says, without the parts of the standard library's that nobody writes.
pub fn class(mangled: &str) -> Option<String> {
    let symbol = format!("_ZTI{mangled}");
    let plain = demangle_auto(Cow::from(symbol.as_str()), None);
    let name = plain.strip_prefix(HEAD)?.trim();
    (!name.is_empty()).then(|| name.replace("std::__cxx11::", "std::").replace(" >", ">"))
}

#[cfg(test)]
mod tests {
    use super::class;

    #[test]
    fn types_have_names() {
        let is = |mangled, plain: &str| assert_eq!(class(mangled).as_deref(), Some(plain), "{mangled}");
        is("6Widget", "Widget");
        is("N2ns6WidgetE", "ns::Widget");
        is("A_N2ns6WidgetE", "ns::Widget []");
        is("N12_GLOBAL__N_16HiddenE", "(anonymous namespace)::Hidden");
        is("3BoxISt6vectorIiSaIiEEE", "Box<std::vector<int, std::allocator<int>>>");
        assert_eq!(class("not a name"), None);
        assert_eq!(class(""), None);
    }
}
