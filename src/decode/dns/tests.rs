use proptest::prelude::*;

use super::*;

/// A header; `flags` 0x0100 asks, 0x8180 answers.
fn header(flags: u16, questions: u16, answers: u16) -> Vec<u8> {
    [0x1234, flags, questions, answers, 0, 0].iter().flat_map(|word: &u16| word.to_be_bytes()).collect()
}

fn labels(name: &str) -> Vec<u8> {
    let labels = name.split('.').filter(|label| !label.is_empty());
    let mut bytes: Vec<u8> =
        labels.flat_map(|label| std::iter::once(label.len() as u8).chain(label.bytes())).collect();
    bytes.push(0);
    bytes
}

fn query(name: &str, kind: u16) -> Vec<u8> {
    [header(0x0100, 1, 0), labels(name), kind.to_be_bytes().to_vec(), vec![0, 1]].concat()
}

/// A record whose owner is a pointer to the question's name.
fn record(kind: u16, data: &[u8]) -> Vec<u8> {
    let fixed = [0xc00c, kind, 1, 0, 30, data.len() as u16];
    [fixed.iter().flat_map(|word| word.to_be_bytes()).collect(), data.to_vec()].concat()
}

fn answer(flags: u16, name: &str, kind: u16, records: &[Vec<u8>]) -> Vec<u8> {
    let question = [labels(name), kind.to_be_bytes().to_vec(), vec![0, 1]].concat();
    [header(flags, 1, records.len() as u16), question, records.concat()].concat()
}

fn asked(message: &Message) -> (&str, &str) {
    let question = message.question.as_ref().expect("a question");
    (&question.name, &question.kind)
}

#[test]
fn a_query_says_what_it_asks() {
    for (kind, mnemonic) in [(1, "A"), (28, "AAAA"), (33, "SRV"), (12, "PTR"), (65, "TYPE65"), (255, "ANY")] {
        let query = message(&query("Mix.Shop.svc.cluster.LOCAL", kind)).expect("a query");
        assert_eq!(asked(&query), ("mix.shop.svc.cluster.local", mnemonic));
        assert!(!query.is_response && !query.truncated && !query.is_cut);
        assert_eq!(query.id, 0x1234);
    }
}

#[test]
fn an_answer_gives_addresses_and_targets_in_order() {
    let records = [
        record(5, &labels("alias.shop")),
        record(1, &[10, 43, 7, 7]),
        record(46, b"a signature that dns-parser does not know"),
        record(28, &[0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7]),
        record(33, &[&[0, 1, 0, 2, 0, 80][..], &labels("pod-0.shop")].concat()),
        record(1, &[10, 43, 7, 8]),
    ];
    let message = message(&answer(0x8180, "mix.shop", 1, &records)).expect("an answer");
    let ips = ["10.43.7.7", "fd00::7", "10.43.7.8"].map(|text| text.parse::<Ip>().expect(text));
    assert!(message.is_response);
    assert_eq!(message.addresses, ips);
    assert_eq!(message.targets, ["alias.shop".into(), "pod-0.shop".into()]);
    assert_eq!(message.rcode, 0);
}

#[test]
fn codes_and_bits_are_read() {
    let refused = message(&answer(0x8183, "no.shop", 1, &[])).expect("NXDOMAIN");
    assert_eq!((refused.rcode, refused.truncated), (3, false));
    let reserved = message(&answer(0x87c0, "mix.shop", 1, &[])).expect("TC and the reserved bit");
    assert_eq!((reserved.rcode, reserved.truncated), (0, true));
}

#[test]
fn a_cut_answer_keeps_its_whole_records() {
    let bytes = answer(0x8180, "mix.shop", 1, &[record(1, &[10, 43, 7, 7]), record(1, &[10, 43, 7, 8])]);
    for cut in 0..bytes.len() {
        let Some(message) = message(&bytes[..cut]) else {
            assert!(cut < 12, "cut at {cut}");
            continue;
        };
        let whole = bytes.len() - cut;
        let expected = usize::from(whole <= 16);
        assert_eq!(message.addresses.len(), expected, "cut at {cut}");
        assert!(message.is_cut);
    }
}

#[test]
fn over_tcp_the_length_comes_first() {
    let query = query("mix.shop", 1);
    let stream = [&(query.len() as u16).to_be_bytes()[..], &query, b"more"].concat();
    assert_eq!(tcp_message(&stream), message(&query));
    assert_eq!(tcp_message(&stream[..1]), None);
}

#[test]
fn names_are_clean() {
    let bytes = [header(0x0100, 1, 0), b"\x04a\x1b\xffB\0\0\x01\0\x01".to_vec()].concat();
    assert_eq!(asked(&message(&bytes).expect("a query")).0, "a␛?b");
}

#[test]
fn pointers_cannot_be_turned_against_the_reader() {
    let with_name = |name: &[u8]| message(&[&header(0x0100, 1, 0), name, &[0, 1, 0, 1]].concat());
    assert_eq!(with_name(&[0xc0, 0x0c]), None, "to itself");
    assert_eq!(with_name(&[0xc0, 0x0e, 0xc0, 0x0c]), None, "forwards");
    assert_eq!(with_name(&[0xc0, 0x02]), None, "into the header");
    assert_eq!(with_name(&[0x80, 0]), None, "an unknown label form");
    let long = [[&[63][..], &[b'a'; 63]].concat().repeat(4), vec![0]].concat();
    assert_eq!(with_name(&long), None, "longer than a name may be");
}

/// The message that costs an unguarded reader time by the square of its length: a chain of pointers.
#[test]
fn a_chain_of_pointers_is_refused() {
    let mut data = vec![0];
    let start = 12 + labels("a").len() + 4 + 12;
    for link in 0..500u16 {
        let target = if link == 0 { start as u16 } else { start as u16 + 1 + (link - 1) * 2 };
        data.extend((0xc000 | target).to_be_bytes());
    }
    let chain = record(10, &data);
    let last = (0xc000 | (start as u16 + 999)).to_be_bytes();
    let message = message(&answer(0x8180, "a", 1, &[chain, record(5, &last)])).expect("an answer");
    assert!(message.targets.is_empty());
}

/// The name that the pointer leads to runs over the pointer itself and out of the message.
#[test]
fn a_name_that_overlaps_its_own_pointer_is_left_out() {
    let length_byte = (12 + labels("a").len() + 4 + 11) as u8;
    let loops = record(5, &[0xc0, length_byte]);
    let message = message(&answer(0x8180, "a", 1, &[loops, record(1, &[10, 43, 7, 7])])).expect("an answer");
    assert!(message.targets.is_empty());
    assert_eq!(message.addresses, [Ip::v4([10, 43, 7, 7])]);
}

#[test]
fn what_is_no_query_is_none() {
    assert_eq!(message(b""), None);
    assert_eq!(message(&[0; 11]), None);
    assert_eq!(message(&header(0x2800, 1, 0)), None, "a dynamic update");
    assert_eq!(message(&header(0x0100, 500, 0)), None, "more questions than anyone asks");
}

proptest! {
    #[test]
    fn random_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
        let _ = (message(&bytes), tcp_message(&bytes));
    }

    /// Within the guard, dns-parser refuses nothing.
    #[test]
    fn what_the_guard_passes_is_read(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
    ) {
        let srv = record(33, &[&[0, 1, 0, 2, 0, 80][..], &labels("pod-0.shop")].concat());
        let mut bytes = answer(0x8180, "mix.shop", 1, &[record(5, &labels("b.c")), srv, record(1, &[1, 2, 3, 4])]);
        for (index, byte) in changes {
            let at = index.index(bytes.len());
            bytes[at] = byte;
        }
        prop_assert_eq!(Guarded::new(&bytes).is_some(), message(&bytes).is_some());
    }
}
