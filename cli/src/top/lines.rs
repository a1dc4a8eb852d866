//! The table as lines, one block a check: for a file, a pipe, a log.
use super::Order;
use super::asking::Reader;
use super::sites::{Sites, Snapshot, rate, size};
use crate::Failure;
use crate::failure::{TROUBLE, print};
use std::fmt::Write;

pub fn run(order: &Order, mut reader: Reader, first: Snapshot) -> Result<u8, Failure> {
    let mut sites = Sites::default();
    sites.take(first);
    let mut done = 1;
    loop {
        print(&block(&sites, order))?;
        if order.checks.is_some_and(|wanted| done >= wanted) {
            return Ok(0);
        }
        std::thread::sleep(order.interval);
        sites.take(reader.check().map_err(|text| Failure::new(TROUBLE, text))?);
        done += 1;
    }
}

/// One check.
pub fn block(sites: &Sites, order: &Order) -> String {
    let mut out = format!(
        "process {} {}  check {}  {} live  {}  {} lost\n",
        sites.pid,
        sites.exe,
        sites.checks,
        size(sites.total() as f64),
        rate(sites.rate()),
        size(sites.lost as f64)
    );
    let _ =
        writeln!(out, "{:>8} {:>9} {:>10} {:>10} {:>8}  place", "bytes", "objects", "now", "since", "lost");
    for row in sites.sorted(order.sort).iter().take(order.sites) {
        let site = &row.site;
        let _ = writeln!(
            out,
            "{:>8} {:>9} {:>10} {:>10} {:>8}  {}",
            size(site.bytes as f64),
            site.objects,
            rate(row.now),
            rate(row.all),
            size(site.lost as f64),
            site.label
        );
    }
    out.push('\n');
    out
}
