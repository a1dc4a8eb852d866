//! Symbols by address: functions, for code without DWARF, vtables and variables.
use super::elf::Elf;
use object::{Object, ObjectSymbol, ObjectSymbolTable, SymbolKind};

/// Sorted by address; of several names for one address, the best one.
#[derive(Default)]
pub struct Symbols(Vec<Symbol>);

struct Symbol {
    address: u64,
    size: u64,
    name: &'static [u8],
}

/// Which symbols.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Sort {
    Functions,
    /// Of C++ classes.
    Vtables,
    Variables,
}
/// How a vtable's name begins.
pub const VTABLE: &str = "_ZTV";

impl Symbols {
    /// The first of `files` that has a symbol table gives it; else the dynamic symbols of one.
    pub fn of(files: &[&Elf], sort: Sort) -> Symbols {
        let full = files.iter().find_map(|elf| elf.file.symbol_table().map(|table| table.symbols()));
        let dynamic =
            || files.iter().find_map(|elf| elf.file.dynamic_symbol_table().map(|table| table.symbols()));
        let Some(symbols) = full.or_else(dynamic) else { return Symbols::default() };
        let mut found: Vec<(u64, u8, usize, Symbol)> = symbols
            .filter(|s| !s.is_undefined())
            .filter(|s| match sort {
                Sort::Functions => s.kind() == SymbolKind::Text,
                Sort::Variables => s.kind() == SymbolKind::Data && s.size() > 0,
                Sort::Vtables => s.name_bytes().is_ok_and(|name| name.starts_with(VTABLE.as_bytes())),
            })
            .filter_map(|s| Some((s.address(), s.size(), s.is_global(), s.is_weak(), s.name_bytes().ok()?)))
            .filter(|(.., name)| !name.is_empty())
            .map(|(address, size, global, weak, name)| {
                // malloc, not __libc_malloc; foo, not a local alias of it.
                let underscores = name.iter().take_while(|&&b| b == b'_').count();
                let scope = if weak {
                    1
                } else if global {
                    0
                } else {
                    2
                };
                (address, scope, underscores, Symbol { address, size, name })
            })
            .collect();
        found.sort_by_key(|(address, scope, underscores, symbol)| {
            (*address, symbol.size == 0, *underscores, *scope, symbol.name.len())
        });
        found.dedup_by_key(|(address, ..)| *address);
        Symbols(found.into_iter().map(|(.., symbol)| symbol).collect())
    }

    /// The function that holds `address`.
    pub fn find(&self, address: u64) -> Option<&'static [u8]> {
        let next = self.0.partition_point(|symbol| symbol.address <= address);
        let symbol = self.0.get(next.checked_sub(1)?)?;
        // Hand-written assembly often has no size: it reaches to the next symbol.
        let inside = symbol.size == 0 || address - symbol.address < symbol.size;
        inside.then_some(symbol.name)
    }
}
