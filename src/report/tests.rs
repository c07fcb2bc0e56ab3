//! Whole reports of the formats that are markup, read again by an XML parser.

use std::sync::Arc;

use roxmltree::{Document, Node, ParsingOptions};

use crate::model::{Journey, SourceSummary};
use crate::report::{Format, Part};
use crate::timeline::{Language, Manner, sample};

/// Text that tries to end whatever it stands in.
const HOSTILE: &str =
    "\"'></span></text></style>]]>--><script src=//evil>alert(1)</script>&lt;\u{1b}[2J\u{202e}\0\u{ffff}";

fn all() -> Vec<Journey> {
    let mut unclassified = sample::same_node(1, sample::START);
    (unclassified.request, unclassified.reply) = (Vec::new(), Vec::new());
    unclassified.path = "unclassified".into();
    sample::all().into_iter().chain(sample::proxies::all()).chain([unclassified]).collect()
}

/// The report as `app` writes it: each part by itself, joined, and the head where it belongs.
fn written(format: Format, journeys: &[Journey], sources: &[SourceSummary], manner: Manner) -> String {
    sample::with_context(manner, |context| {
        let (mut whole, mut body) = (Part::default(), Vec::new());
        for (chunk, first) in journeys.chunks(3).zip((1..).step_by(3)) {
            let mut part = Part::default();
            for (id, journey) in (first..).zip(chunk) {
                format.journey(&mut part, id, journey, context);
            }
            body.extend_from_slice(&format.join(&mut whole, &part));
            body.extend_from_slice(&part.bytes);
            // Where nothing fits a filter.
            body.extend_from_slice(&format.join(&mut whole, &Part::default()));
        }
        let known = if format.is_headed_last() { &whole } else { &Part::default() };
        let mut out = format.head(known, sources, context);
        out.extend_from_slice(&body);
        out.extend_from_slice(&format.tail(&whole, context));
        String::from_utf8(out).expect("text")
    })
}

fn parse(text: &str) -> Document<'_> {
    let options = ParsingOptions { allow_dtd: true, ..ParsingOptions::default() };
    Document::parse_with_options(text, options).expect("well-formed XML")
}

fn hostile() -> (Vec<Journey>, Vec<SourceSummary>) {
    let mut journey = sample::other_node(1, sample::START);
    let trail = Arc::make_mut(&mut journey.trail);
    trail.exchange.path = Some(HOSTILE.into());
    trail.exchange.host = Some(HOSTILE.into());
    trail.exchange.method = Some(HOSTILE.into());
    journey.path = HOSTILE.into();
    journey.route = HOSTILE.into();
    let mut lost = sample::lost(2, sample::START);
    lost.verdict.detail.en = HOSTILE.to_owned();
    let mut sources = sample::sources();
    sources[0].file = HOSTILE.to_owned();
    sources[0].damage = vec![HOSTILE.to_owned()];
    (vec![journey, lost], sources)
}

const MARKUP: [Format; 4] = [
    Format::Svg { is_whole: false },
    Format::Svg { is_whole: true },
    Format::Html { is_whole: false },
    Format::Html { is_whole: true },
];

#[test]
fn whatever_packets_say_stays_text() {
    let (journeys, sources) = hostile();
    for format in MARKUP {
        let honest = written(format, &all(), &sample::sources(), Manner::default());
        let text = written(format, &journeys, &sources, Manner::default());
        let document = parse(&text);
        let known: Vec<&str> =
            names(&parse(&honest)).iter().map(|name| name.to_owned().leak() as &str).collect();
        assert!(names(&document).iter().all(|name| known.contains(&name.as_str())), "{:?}", names(&document));
        assert!(
            document
                .root()
                .descendants()
                .any(|node| { node.text().is_some_and(|text| text.contains("<script src=//evil>")) })
        );
        for attribute in document.descendants().flat_map(|node| node.attributes().collect::<Vec<_>>()) {
            assert!(!attribute.name().starts_with("on"), "{}", attribute.name());
            assert!(!["src", "href"].contains(&attribute.name()), "{}", attribute.name());
        }
        assert!(!text.contains(|c: char| c.is_control() && c != '\n') && !text.contains('\u{202e}'));
    }
}

fn names(document: &Document<'_>) -> Vec<String> {
    document.descendants().filter(Node::is_element).map(|node| node.tag_name().name().to_owned()).collect()
}

#[test]
fn a_page_folds_its_journeys_and_offers_what_there_is() {
    let text = written(Format::Html { is_whole: false }, &all(), &sample::sources(), Manner::default());
    let page = parse(&text);
    let count = |name: &str| {
        page.descendants().filter(|node| node.has_tag_name(("http://www.w3.org/1999/xhtml", name))).count()
    };
    assert_eq!(count("details"), all().len());
    assert_eq!(count("summary"), all().len());
    assert_eq!(count("script") + count("link") + count("img"), 0);
    // What is chosen is found by its input, and each label has one.
    let inputs: Vec<&str> =
        attributes(&page, "id").into_iter().filter(|id| id.starts_with(['o', 'p'])).collect();
    let labels = attributes(&page, "for");
    assert_eq!(inputs, labels);
    assert!(inputs.contains(&"o-lost") && inputs.contains(&"p-0"), "{inputs:?}");
    for id in inputs.iter().filter(|id| !id.ends_with("-all")) {
        assert!(text.contains(&format!("#{id}:checked~main")), "{id}");
    }
    assert!(
        text.contains("Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\"")
    );
    assert!(!text.contains("url(") && !text.contains("@import"));
}

fn attributes<'a>(page: &'a Document<'_>, name: &str) -> Vec<&'a str> {
    page.descendants().filter_map(|node| node.attribute(name)).collect()
}

#[test]
fn a_picture_is_as_high_as_its_rows() {
    let journeys = all();
    let text = written(Format::Svg { is_whole: false }, &journeys, &sample::sources(), Manner::default());
    let picture = parse(&text);
    let number =
        |node: Node<'_, '_>, name: &str| node.attribute(name).and_then(|text| text.parse::<usize>().ok());
    let moved = |node: Node<'_, '_>| -> usize {
        let groups = node.ancestors().filter_map(|group| group.attribute("transform"));
        groups
            .filter_map(|text| text.strip_prefix("translate(0 ")?.strip_suffix(')')?.parse::<usize>().ok())
            .sum()
    };
    let height = number(picture.root_element(), "height").expect("a height");
    let mut rows: Vec<usize> = picture
        .descendants()
        .filter(|node| node.tag_name().name() == "text")
        .map(|node| number(node, "y").expect("a place") + moved(node))
        .collect();
    assert!(rows.is_sorted(), "each journey below the one before");
    rows.dedup();
    assert_eq!(rows.last().map(|last| last + 4 + 10), Some(height), "the last row lies at the lower margin");
}

#[test]
fn markup_is_in_the_readers_language() {
    let page =
        written(Format::Html { is_whole: false }, &all(), &sample::sources(), Manner::new(Language::Zh));
    assert!(page.contains("lang=\"zh\"") && page.contains("旅程"));
    parse(&page);
    let ascii = written(Format::Svg { is_whole: true }, &all(), &sample::sources(), Manner::ascii());
    assert!(ascii.is_ascii());
    parse(&ascii);
}

#[test]
fn nothing_that_fits_is_still_a_whole_report() {
    for format in MARKUP {
        let text = written(format, &[], &sample::sources(), Manner::default());
        parse(&text);
    }
    assert_eq!(written(Format::Csv, &[], &[], Manner::default()).lines().count(), 1);
}
