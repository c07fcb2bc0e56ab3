//! Pipes, which can be read only once, and files that still grow.

use std::fs::OpenOptions;
use std::io::Write;
use std::os::fd::AsRawFd;
use std::path::PathBuf;

use super::{Files, marks, preview, rest, some};
use crate::capture::testing::{ETHERNET, PcapFile, ethernet};
use crate::capture::{Options, Progress, Reader, SourcePath, SourceSpec};

pub(super) fn recording(marks: std::ops::Range<u8>) -> Vec<u8> {
    let mut file = PcapFile::nano(ETHERNET);
    for mark in marks {
        file.packet(1, u32::from(mark), &ethernet(mark));
    }
    file.bytes
}

#[test]
fn a_pipe_is_read_once_and_previewed_all_the_same() {
    let (reading, mut writing) = std::io::pipe().expect("a pipe");
    writing.write_all(&recording(0..100)).expect("room in the pipe");
    drop(writing);
    let path = PathBuf::from(format!("/dev/fd/{}", reading.as_raw_fd()));
    let specs = [SourceSpec { node: Some("k".to_owned()), path: SourcePath::File(path) }];
    let mut reader = Reader::open(&specs, &Options::default()).expect("a reader");
    for count in [10, 20] {
        assert_eq!(marks(&preview(&mut reader, count)), (0..count as u8).collect::<Vec<_>>());
    }
    assert_eq!(marks(&rest(&mut reader)), (0..100).collect::<Vec<_>>());
    assert_eq!(reader.summaries()[0].packets, 100);
}

#[test]
fn a_growing_file_is_waited_for() {
    let bytes = recording(0..50);
    // Cut in the header, between and within records.
    for cut in [0, 10, 24, 24 + 54 * 3, 24 + 54 * 3 + 20] {
        let files = Files::with("a.pcap", &bytes[..cut]);
        files.add("b.pcap", &recording(50..53));
        let options = Options { follow: true, ..Options::default() };
        let mut reader = Reader::open(&files.specs(&["a.pcap", "b.pcap"]), &options).expect("a reader");
        let (first, progress) = some(&mut reader, 1000);
        assert_eq!(progress, Progress::Waiting);
        assert_eq!(first.len(), cut.saturating_sub(24) / 54 + 3);
        assert_eq!(some(&mut reader, 1000), (Vec::new(), Progress::Waiting));
        let mut file = OpenOptions::new().append(true).open(files.path("a.pcap")).expect("the file");
        file.write_all(&bytes[cut..]).expect("more");
        let (more, progress) = some(&mut reader, 1000);
        assert_eq!(progress, Progress::Waiting);
        let of_a = first.into_iter().chain(more).filter(|seen| seen.node == "a");
        assert_eq!(marks(&of_a.collect::<Vec<_>>()), (0..50).collect::<Vec<_>>());
        assert_eq!(reader.summaries()[0].damaged, 0);
    }
}

#[test]
fn a_growing_packed_file_is_waited_for() {
    let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packer.write_all(&recording(0..50)).expect("packing");
    let packed = packer.finish().expect("packing");
    let files = Files::with("a.pcap", &packed[..packed.len() / 2]);
    let options = Options { follow: true, ..Options::default() };
    let mut reader = Reader::open(&files.specs(&["a.pcap"]), &options).expect("a reader");
    let (mut seen, progress) = some(&mut reader, 1000);
    assert_eq!(progress, Progress::Waiting);
    let mut file = OpenOptions::new().append(true).open(files.path("a.pcap")).expect("the file");
    file.write_all(&packed[packed.len() / 2..]).expect("more");
    seen.extend(some(&mut reader, 1000).0);
    assert_eq!(marks(&seen), (0..50).collect::<Vec<_>>());
}

#[test]
fn a_reader_may_be_read_in_another_thread() {
    let mut reader = Files::with("a.pcap", &recording(0..9)).open(&["a.pcap"]).expect("a reader");
    let thread = std::thread::spawn(move || marks(&rest(&mut reader)));
    assert_eq!(thread.join().expect("the thread's packets"), (0..9).collect::<Vec<_>>());
}
