use super::*;
use crate::ground::critical;

/// What a compiler would write: two words before the vtable's address point.
#[repr(C)]
struct Table {
    offset: usize,
    info: *const Info,
    function: fn(),
}
#[repr(C)]
struct Info {
    class: *const Table,
    name: *const u8,
}
// SAFETY: never written.
unsafe impl Sync for Table {}
// SAFETY: never written.
unsafe impl Sync for Info {}

fn nothing() {}
static CLASS: Table = Table { offset: 0, info: core::ptr::null(), function: nothing };
static INFO: Info = Info { class: &CLASS, name: c"*N2ns6WidgetE".as_ptr().cast() };
static WIDGET: Table = Table { offset: 0, info: &INFO, function: nothing };
static INNER: Table = Table { offset: usize::MAX - 15, info: &INFO, function: nothing };
static NO_NAME: Info = Info { class: &CLASS, name: core::ptr::null() };
static UNNAMED: Table = Table { offset: 0, info: &NO_NAME, function: nothing };

fn point(table: &'static Table) -> usize {
    core::ptr::from_ref(table) as usize + 16
}

#[test]
fn a_vtable_tells_its_class() {
    let critical = critical::enter();
    let mut types = Types::new(&critical);
    let widget = types.of(point(&WIDGET), 0, 24);
    let name = |types: &Types<'_>, number| {
        let names = types.names();
        let (at, array, name) = names.get(number).unwrap();
        (at, format!("{array}{}", core::str::from_utf8(name).unwrap()))
    };
    let at = modules::report_address(point(&WIDGET) | EXACT, modules::overlay().0);
    assert_eq!(name(&types, widget), (at, "N2ns6WidgetE".into()));
    assert_eq!(types.of(point(&WIDGET), 0, 24), widget);
    // Without RTTI the command has to find a symbol.
    let class = types.of(point(&CLASS), 0, 24);
    assert_eq!(name(&types, class).1, "");
    // Three elements behind their number; what does not divide the rest is none.
    let array = types.of(3, point(&WIDGET), 8 + 3 * 40);
    assert_eq!(name(&types, array).1, "A_N2ns6WidgetE");
    assert_eq!(types.of(3, point(&WIDGET), 8 + 3 * 40 + 1), NONE);
    // A part of an object, a table that leads nowhere, and words of all sorts.
    assert_eq!(types.of(point(&INNER), 0, 24), NONE);
    assert_eq!(types.of(point(&UNNAMED), 0, 24), NONE);
    for word in [0, 1, 8, 4096, nothing as fn() as usize & !7, &raw const critical as usize, usize::MAX - 7] {
        assert_eq!(types.of(word, word, 64), NONE, "{word:#x}");
    }
    assert_eq!(types.names().get(NONE), None);
}

#[test]
fn look_ups_have_an_end() {
    let critical = critical::enter();
    let mut types = Types::new(&critical);
    types.lookups = 2;
    assert_eq!(types.of(point(&INNER), 0, 24), NONE);
    assert_eq!(types.of(point(&UNNAMED), 0, 24), NONE);
    assert_eq!(types.of(point(&WIDGET), 0, 24), NONE);
}
