//! The page on formats lists the reserved names of claims, and the numbers of the rules.

use std::collections::BTreeSet;

use sealgate::tokens::{MAX_CLAIMS, RESERVED_CLAIMS};

use crate::read;

#[test]
fn the_page_lists_every_reserved_claim_and_no_others() {
    let page = read("docs/formats.md");
    let (_, list) = page.split_once("- These names are reserved: ").unwrap();
    let (list, _) = list.split_once(". They are").unwrap();
    let listed: BTreeSet<&str> = list.split('`').skip(1).step_by(2).collect();
    assert_eq!(listed, BTreeSet::from(RESERVED_CLAIMS));
    assert_eq!(MAX_CLAIMS, 4096);
    assert!(page.contains("at most 4,096 bytes of JSON"));
}
