use proptest::prelude::*;

use super::*;
use crate::timeline::filter::KEYWORDS;

#[test]
fn the_contracts_examples_parse_to_themselves() {
    for text in [
        "target == 10.43.7.7",
        "path == pod-to-service and outcome != complete",
        "status >= 500 and host ~ shop",
        "server in 10.244.2.0/24",
        "delay(⑤) > 2ms",
        "delay(\"(3)\") <= 300us",
        "not (shop or addr == [fd00::7]:80) and \"two words\"",
    ] {
        let expr = Expr::parse(text).expect(text);
        assert_eq!(expr.to_string(), text);
    }
    assert_eq!(Expr::parse("delay(5) > 2000us"), Expr::parse("delay(⑤) > 2ms"));
    assert_eq!(Expr::parse("delay((3)) > 1s"), Expr::parse("delay(\"(3)\") > 1s"));
    assert_eq!(Expr::parse("delay > 1.5ms"), Expr::parse("delay > 1500us"));
}

#[test]
fn an_error_names_the_place() {
    for (text, column, part) in [
        ("", 0, "expected a field"),
        ("target = 1", 7, "expected `and`"),
        ("target == ", 10, "a value"),
        ("colour == red", 0, "no field `colour`"),
        ("status >= many", 10, "number"),
        ("delay > 2", 8, "unit"),
        ("delay(0) > 2s", 6, "stage"),
        ("(a or b", 0, "never closed"),
        ("a)", 1, "nothing is open"),
        ("a b", 2, "expected `and`"),
        ("server in 10.0.0.0", 0, ""),
        ("server in shop", 10, "range"),
        ("server == 10.0.0.0/8", 10, "`in`"),
        ("outcome == good", 11, "complete"),
        ("method < GET", 7, "compared"),
        ("host == \"a", 8, "quote"),
        ("⑤ and 名 or", 10, "expected a field"),
    ] {
        match Expr::parse(text) {
            Err(error) => {
                assert_eq!(error.column, column, "{text}: {error}");
                assert!(error.what.contains(part), "{text}: {error}");
            }
            Ok(_) => assert!(part.is_empty(), "{text} was taken"),
        }
    }
}

#[test]
fn what_more_text_might_make_right_is_unfinished() {
    for (text, is_unfinished) in [
        ("status ", true),
        ("status >", true),
        ("status > 5 and", true),
        ("outcome == lo", true),
        ("delay > 2", true),
        ("delay > 2 ", false),
        ("(a or b", true),
        ("host == \"a", true),
        ("colour == red", false),
        ("status > x and a", false),
        ("a)", false),
    ] {
        let unfinished = Expr::parse(text).err().map_or(text == "status ", |error| error.is_unfinished);
        assert_eq!(unfinished, is_unfinished, "{text}");
    }
}

#[test]
fn the_caret_stands_under_the_wrong_place() {
    let text = "host ~ 商店 and status > x";
    let error = Expr::parse(text).expect_err("not a status");
    let marked = error.marked(text);
    assert_eq!(marked.lines().nth(1).map(|line| line.find('^')), Some(Some(25)), "{marked}");
}

#[test]
fn depth_is_bounded() {
    let deep = format!("{}a{}", "(".repeat(1500), ")".repeat(1500));
    assert!(Expr::parse(&deep).expect_err("too deep").what.contains("too many"));
}

fn value_for(field: Field) -> BoxedStrategy<(Op, Value)> {
    let equal = prop_oneof![Just(Op::Equal), Just(Op::Unequal)];
    let ordered =
        prop_oneof![Just(Op::Less), Just(Op::AtMost), Just(Op::Greater), Just(Op::AtLeast), Just(Op::Equal)];
    let ip = prop_oneof![any::<[u8; 4]>().prop_map(Ip::v4), any::<[u8; 16]>().prop_map(Ip::v6)];
    match field {
        Field::Client | Field::Target | Field::Server | Field::Pod | Field::Service | Field::Addr => {
            prop_oneof![
                (equal.clone(), ip.clone().prop_map(Value::Ip)),
                (
                    equal,
                    (ip.clone(), 1_u16..).prop_map(|(ip, port)| Value::Endpoint(Endpoint::new(ip, port)))
                ),
                (
                    Just(Op::In),
                    (ip, 0_u8..=32).prop_map(|(ip, len)| {
                        Value::Net(IpNet::new(ip.into(), len).expect("length").trunc())
                    })
                ),
            ]
            .boxed()
        }
        Field::Port | Field::Status => (ordered, any::<u16>().prop_map(|n| Value::Number(n.into()))).boxed(),
        Field::Delay(_) => (ordered, (0..i64::MAX).prop_map(Value::Nanos)).boxed(),
        Field::Outcome => (equal, prop::sample::select(&OUTCOMES[..]).prop_map(Value::Outcome)).boxed(),
        Field::Proto => {
            (equal, prop::sample::select(&PROTOCOLS[..]).prop_map(|p| Value::Text(p.into()))).boxed()
        }
        _ => (prop_oneof![equal, Just(Op::Contains)], lower_text()).boxed(),
    }
}

fn lower_text() -> BoxedStrategy<Value> {
    any::<String>().prop_map(|text| Value::Text(text.to_lowercase().to_lowercase().into())).boxed()
}

fn comparison() -> impl Strategy<Value = Expr> {
    let stage = (any::<bool>(), 1_u8..).prop_map(|(is_reply, number)| Stage {
        way: if is_reply { Way::Reply } else { Way::Request },
        number,
    });
    let field = prop_oneof![
        prop::sample::select(&FIELDS[..]).prop_map(|(_, field)| field),
        prop::option::of(stage).prop_map(Field::Delay),
    ];
    field.prop_flat_map(|field| {
        value_for(field).prop_map(move |(op, value)| Expr::Compare { field, op, value })
    })
}

fn expr() -> impl Strategy<Value = Expr> {
    let word = prop_oneof![
        any::<String>().prop_map(|word| word.to_lowercase()),
        prop::sample::select(&KEYWORDS[..]).prop_map(str::to_owned),
    ];
    let leaf = prop_oneof![comparison(), word.prop_map(|word| Expr::Word(word.into()))];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 2..4).prop_map(Expr::And),
            prop::collection::vec(inner.clone(), 2..4).prop_map(Expr::Or),
            inner.prop_map(|part| Expr::Not(Box::new(part))),
        ]
    })
}

proptest! {
    #[test]
    fn parsing_never_panics(text in any::<String>()) {
        if let Err(error) = Expr::parse(&text) {
            prop_assert!(error.column <= text.chars().count());
            error.marked(&text);
        }
    }

    #[test]
    fn parsing_words_of_the_grammar_never_panics(
        words in prop::collection::vec(
            prop::sample::select(&["(", ")", "delay", "delay(", "\"", "\\", "in", "and", "not", "⑤", "==", "<",
                "2ms", "10.0.0.0/8", "[::1]:80", "server", "status", "shop"][..]), 0..20),
        glue in prop::sample::select(&["", " "][..]),
    ) {
        let text = words.join(glue);
        if let Ok(expr) = Expr::parse(&text) {
            prop_assert_eq!(Expr::parse(&expr.to_string()), Ok(expr));
        }
    }

    #[test]
    fn what_is_displayed_parses_to_itself(expr in expr()) {
        let text = expr.to_string();
        prop_assume!(text.len() <= MAX_BYTES);
        prop_assert_eq!(Expr::parse(&text), Ok(expr), "{}", text);
    }
}
