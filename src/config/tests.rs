//! Arguments, and what they mean.

use super::*;

fn around(locale: &str, places: &[PathBuf]) -> Surroundings {
    Surroundings { locale: locale.to_owned(), places: places.to_vec() }
}

fn parse(line: &str) -> Result<Config, ConfigError> {
    let words = std::iter::once("hopline").chain(line.split('|').filter(|word| !word.is_empty()));
    Config::from_arguments(words.map(OsString::from), &around("C.UTF-8", &[]))
}

fn refused(line: &str) -> String {
    match parse(line) {
        Err(ConfigError::Asked(text)) => panic!("{line}: printed {text}"),
        Err(error) => error.to_string(),
        Ok(config) => panic!("{line}: taken as {config:?}"),
    }
}

#[test]
fn a_wrong_argument_is_refused_in_one_line_that_says_what_to_try() {
    for (line, part) in [
        ("live|--format|json", "--headless"),
        ("live|--snaplen|12", "96"),
        ("live|--buffer|much", "64MB"),
        ("live|--nice|20", "19"),
        ("live|--duration|30", "30s"),
        ("live|--name|a b", "letters"),
        ("live|--node|kappa2", "NODE=COMMAND"),
        ("live|--keep|3", "--rotate"),
        ("live|--write|-", "record"),
        ("record|--write|-|--rotate|1MB", "--write"),
        ("record", "--write"),
        ("record|--write|x.pcapng|--rotate|100", "100MB"),
        ("report", "[NODE=]FILE"),
        ("report|x.pcap|--format|pdf", "text, json, html, svg, csv"),
        ("live|--headless|--format|csv", "text, json"),
        ("report|=x.pcap", "node"),
        ("report|x.pcap|--clock|kappa2", "kappa2=+3.7s"),
        ("report|x.pcap|--clock|kappa2=3", "unit"),
        ("report|x.pcap|--ifmap|bond1=3", "3=bond1"),
        ("report|x.pcap|--pod-cidr|10.244", "10.244.0.0/16"),
        ("report|x.pcap|--proxy|nginx", "haproxy=192.168.50.100:80"),
        ("report|x.pcap|--proxy|squid=10.0.0.1", "haproxy, traefik or other"),
        ("report|x.pcap|--proxy|haproxy=10.0.0", "haproxy=192.168.50.100:80"),
        ("report|x.pcap|--ascii|--lang|zh", "English"),
        ("report|x.pcap|--journey|0", "1"),
        ("report|x.pcap|--write|y.pcapng", "--journey"),
        ("replay|x.pcap|--speed|fast", "10x"),
        ("replay|x.pcap|--speed|0x", "10x"),
        ("check", "<PATH>"),
    ] {
        let said = refused(line);
        assert!(said.contains(part), "{line}: {said}");
        assert_eq!(said.lines().count(), 1, "{line}: {said}");
    }
}

#[test]
fn a_wrong_expression_is_marked() {
    let said = refused("report|x.pcap|--where|status >= many");
    let lines: Vec<&str> = said.lines().collect();
    assert_eq!(lines[1..], ["status >= many", "          ^ a status is a number such as 503"], "{said}");
}

#[test]
fn arguments_become_settings() {
    let line = "report|kappa1=a=b.pcap|./c=d.pcap|-|--clock|kappa2=-900ms|--clock|k3=+3.7s\
                |--ifmap|3=bond1,7=cali6f|--ifmap|kappa2:4=bond1|--format|json|--journey|7|--where|shop";
    let Ok(Config::Report(report)) = parse(line) else { panic!("not a report") };
    let nodes: Vec<Option<&str>> = report.input.sources.iter().map(|source| source.node.as_deref()).collect();
    assert_eq!(nodes, [Some("kappa1"), None, None]);
    assert_eq!(report.input.clocks, [("kappa2".to_owned(), -900_000_000), ("k3".to_owned(), 3_700_000_000)]);
    assert_eq!(report.input.options.ifmap.len(), 3);
    assert_eq!((report.format, report.journey), (Format::Json, Some(7)));
    assert_eq!(report.filter, Some(Expr::Word("shop".into())));
}

#[test]
fn the_locale_chooses_the_language_unless_told() {
    let language = |line: &str, locale: &str| {
        let words = std::iter::once("hopline").chain(line.split(' '));
        match Config::from_arguments(words.map(OsString::from), &around(locale, &[])) {
            Ok(Config::Demo { look, .. }) => look.manner.language(),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(language("demo", "zh_CN.UTF-8"), Language::Zh);
    assert_eq!(language("demo", "de_DE.UTF-8"), Language::En);
    assert_eq!(language("demo --lang en", "zh_CN.UTF-8"), Language::En);
    assert_eq!(language("demo --ascii", "zh_CN.UTF-8"), Language::En);
}

#[test]
fn the_command_line_wins_over_the_file() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("config.toml");
    let text = "lang = \"zh\"\ntheme = \"light\"\n[interfaces]\ncapture = [\"eth0\"]\nuplink = \"eth*\"\n";
    std::fs::write(&path, text).expect("written");
    let live = |line: &str| {
        let words = std::iter::once("hopline").chain(line.split(' ').filter(|word| !word.is_empty()));
        match Config::from_arguments(words.map(OsString::from), &around("C", std::slice::from_ref(&path))) {
            Ok(Config::Live(live)) => live,
            other => panic!("{other:?}"),
        }
    };
    let told = |live: &Live| {
        let uplinks = live.capture.input.options.uplinks.join(" ");
        (live.look.manner.language(), live.look.theme, live.capture.globs.join(" "), uplinks)
    };
    let of_file = (Language::Zh, Theme::Light, "eth0".to_owned(), "eth*".to_owned());
    assert_eq!(told(&live("")), of_file);
    assert_eq!(live("").look.file.as_deref(), Some(&*path));
    let given = live("live --lang en --theme dark -i eth1 --uplink bond*");
    assert_eq!(told(&given), (Language::En, Theme::Dark, "eth1".to_owned(), "bond*".to_owned()));
    assert_eq!(live("live --ascii").look.manner, Manner::ascii());
    let empty = live("live --config /dev/null");
    assert_eq!((empty.look.manner.language(), empty.look.theme), (Language::En, Theme::Auto));
}

#[test]
fn the_help_says_everything() {
    let mut program = <Arguments as clap::CommandFactory>::command().term_width(100);
    program.build();
    let mut pages = program.render_long_help().to_string();
    for subcommand in program.get_subcommands_mut() {
        let undocumented = subcommand.get_arguments().find(|argument| argument.get_help().is_none());
        assert_eq!(undocumented.map(|argument| argument.get_id().as_str()), None);
        pages.push_str("────\n");
        pages.push_str(&subcommand.render_long_help().to_string());
    }
    insta::assert_snapshot!(pages);
}
