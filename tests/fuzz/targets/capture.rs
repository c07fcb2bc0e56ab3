//! Any file is read to its end or refused, and each of its records can be decoded.

#![no_main]

use std::io::Write;

use hopline::capture::{Options, Progress, Reader, SourcePath, SourceSpec};
use hopline::decode::decode_record;
use hopline::model::Batch;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let mut file = tempfile::Builder::new().suffix(".pcap").tempfile().expect("a file");
    file.write_all(bytes).expect("a written file");
    let spec = SourceSpec { node: None, path: SourcePath::File(file.path().to_owned()) };
    let Ok(mut reader) = Reader::open(&[spec], &Options::default()) else { return };
    let mut batch = Batch::default();
    let mut records = 0u64;
    let _ = reader.preview(4, &mut |_| {});
    while let Ok(Progress::More) = reader.read(64, &mut |record| {
        records += 1;
        batch.clear();
        decode_record(record, &mut batch);
    }) {}
    assert_eq!(reader.summaries().iter().map(|summary| summary.packets + summary.messages).sum::<u64>(), records);
});
