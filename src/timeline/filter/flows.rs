//! From an expression to connections that the kernel can be asked to trace.
//!
//! The kernel knows ends, ports and protocols, and no journeys: so only these fields can stand in such an expression,
//! compared with `==` or `in`, joined by `and` and `or`.

use ipnet::IpNet;

use super::{Expr, ExprError, Field, Op, Value};
use crate::model::say::say;
use crate::model::{Endpoint, FlowEnd, FlowPattern, Ip, Protocol, Sentence};

/// Alternatives of one expression, before they are too many for the kernel's rules.
const MOST: usize = 32;

/// A way to fulfil the expression: a pattern whose protocol may be open.
#[derive(Clone, Copy, Default)]
struct Choice {
    protocol: Option<Protocol>,
    /// Client, target, server.
    ends: [FlowEnd; 3],
}

impl Expr {
    /// The connections that fulfil the expression, which `text` was read as.
    ///
    /// # Errors
    /// Where the expression asks for something that the kernel does not know of a connection, for nothing, or for too
    /// many.
    pub fn flows(&self, text: &str) -> Result<Vec<FlowPattern>, ExprError> {
        let choices = choices(self).map_err(|trouble| trouble.marked(text))?;
        let all: Vec<FlowPattern> = choices.iter().flat_map(Choice::patterns).collect();
        let whole = |what: Sentence| ExprError { column: 0, what, is_unfinished: false };
        let is_all = |choice: &Choice| choice.ends.iter().all(FlowEnd::is_any);
        if choices.iter().any(is_all) {
            return Err(whole(say!(
                "this is every connection; name an address or a port",
                "这是所有连接；请指定地址或端口"
            )));
        }
        match all.len() {
            0 => Err(whole(say!("no connection can be so", "不可能有这样的连接"))),
            1..=MOST => Ok(all),
            count => Err(whole(say!(
                "this makes {count} kinds of connections, and {most} can be traced; name a `proto`, or fewer",
                "这会得到 {count} 种连接，最多可跟踪 {most} 种；请指定 `proto` 或减少条件"; count, most = MOST))),
        }
    }
}

/// What does not fit, and the word that shows where.
struct Trouble {
    word: String,
    what: Sentence,
}

impl Trouble {
    fn marked(self, text: &str) -> ExprError {
        let before = text.to_lowercase().find(&self.word.to_lowercase()).unwrap_or(0);
        ExprError {
            column: text.get(..before).map_or(0, |before| before.chars().count()),
            what: self.what,
            is_unfinished: false,
        }
    }
}

fn choices(expr: &Expr) -> Result<Vec<Choice>, Trouble> {
    match expr {
        Expr::Or(parts) => {
            let mut all = Vec::new();
            for part in parts {
                all.extend(choices(part)?);
            }
            Ok(all)
        }
        Expr::And(parts) => {
            let mut all = vec![Choice::default()];
            for part in parts {
                let more = choices(part)?;
                let both = |choice: Choice| more.iter().filter_map(move |other| choice.and(*other));
                all = all.into_iter().flat_map(both).take(MOST * 4).collect();
            }
            Ok(all)
        }
        Expr::Not(_) => Err(Trouble {
            word: "not".to_owned(),
            what: say!(
                "what is traced is named, not what is not; leave `not` out",
                "请写明要跟踪什么；去掉 `not`"
            ),
        }),
        Expr::Word(word) => Err(Trouble {
            word: word.to_string(),
            what: say!(
                "names are not known to the kernel; give an address, as in `target == 10.43.7.7`",
                "内核不认识名称；请给出地址，例如 `target == 10.43.7.7`"
            ),
        }),
        Expr::Compare { field, op, value } => compare(*field, *op, value),
    }
}

fn compare(field: Field, op: Op, value: &Value) -> Result<Vec<Choice>, Trouble> {
    let trouble = |what: Sentence| Trouble { word: field.to_string(), what };
    if !matches!(op, Op::Equal | Op::In) {
        return Err(trouble(say!(
            "a connection is traced by `==` or `in`",
            "连接只能用 `==` 或 `in` 来选择"
        )));
    }
    let places: &[usize] = match field {
        Field::Client => &[0],
        Field::Target => &[1],
        Field::Server => &[2],
        Field::Addr | Field::Port => &[0, 1, 2],
        Field::Proto => return protocol(value).map_or_else(|| Err(trouble(protocols())), Ok),
        _ => {
            return Err(trouble(say!(
                "connections are traced by client, target, server, addr, port and proto only",
                "只能按 client、target、server、addr、port 和 proto 跟踪连接"
            )));
        }
    };
    let whole = |ip: Ip| Some(IpNet::from(std::net::IpAddr::from(ip)));
    let end = match value {
        Value::Ip(ip) => FlowEnd { net: whole(*ip), port: None },
        Value::Endpoint(Endpoint { ip, port }) => FlowEnd { net: whole(*ip), port: Some(*port) },
        Value::Net(net) => FlowEnd { net: Some(*net), port: None },
        Value::Number(port) => FlowEnd { net: None, port: u16::try_from(*port).ok() },
        _ => {
            return Err(trouble(say!(
                "names are not known to the kernel; give an address",
                "内核不认识名称；请给出地址"
            )));
        }
    };
    let at = |&place: &usize| {
        let mut choice = Choice::default();
        choice.ends[place] = end;
        choice
    };
    Ok(places.iter().map(at).collect())
}

fn protocols() -> Sentence {
    say!("the kernel traces tcp, udp, icmp and icmp6", "内核可跟踪 tcp、udp、icmp 和 icmp6")
}

fn protocol(value: &Value) -> Option<Vec<Choice>> {
    let Value::Text(name) = value else { return None };
    let protocol = match &**name {
        "tcp" => Protocol::Tcp,
        "udp" => Protocol::Udp,
        "icmp" => Protocol::Icmp,
        "icmp6" => Protocol::Icmp6,
        _ => return None,
    };
    Some(vec![Choice { protocol: Some(protocol), ..Choice::default() }])
}

impl Choice {
    /// Both at once; `None` where nothing is.
    fn and(self, other: Choice) -> Option<Choice> {
        let protocol = match (self.protocol, other.protocol) {
            (Some(one), Some(two)) if one != two => return None,
            (one, two) => one.or(two),
        };
        let mut ends = [FlowEnd::default(); 3];
        for (end, (one, two)) in ends.iter_mut().zip(self.ends.into_iter().zip(other.ends)) {
            *end = both(one, two)?;
        }
        Some(Choice { protocol, ends })
    }

    /// The patterns of it: one for each protocol that it may be.
    fn patterns(&self) -> Vec<FlowPattern> {
        let has_port = self.ends.iter().any(|end| end.port.is_some());
        let is_v4 = self.ends.iter().find_map(FlowEnd::is_v4);
        let any = [Protocol::Tcp, Protocol::Udp, Protocol::Icmp, Protocol::Icmp6];
        let of = |protocol| {
            let [client, target, server] = self.ends;
            FlowPattern { protocol, client, target, server }
        };
        let fits = |pattern: &FlowPattern| {
            let is_family = match pattern.protocol {
                Protocol::Icmp => !has_port && is_v4 == Some(true),
                Protocol::Icmp6 => !has_port && is_v4 == Some(false),
                _ => true,
            };
            is_family && pattern.is_narrow() && pattern.is_consistent()
        };
        any.into_iter()
            .filter(|&protocol| self.protocol.is_none_or(|wanted| wanted == protocol))
            .map(of)
            .filter(fits)
            .collect()
    }
}

/// What both ends name.
fn both(one: FlowEnd, two: FlowEnd) -> Option<FlowEnd> {
    let net = match (one.net, two.net) {
        (Some(one), Some(two)) if one.contains(&two) => Some(two),
        (Some(one), Some(two)) if two.contains(&one) => Some(one),
        (Some(_), Some(_)) => return None,
        (one, two) => one.or(two),
    };
    match (one.port, two.port) {
        (Some(one), Some(two)) if one != two => None,
        (one, two) => Some(FlowEnd { net, port: one.or(two) }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flows(text: &str) -> Result<Vec<String>, String> {
        let expr = Expr::parse(text).expect(text);
        let flows = expr.flows(text).map_err(|error| error.to_string())?;
        Ok(flows.iter().map(ToString::to_string).collect())
    }

    fn some(text: &str) -> Vec<String> {
        flows(text).expect(text)
    }

    #[test]
    fn ends_and_protocols_become_patterns() {
        assert_eq!(some("target == 10.43.7.7:80 and proto == tcp"), ["6,*:*,10.43.7.7/32:80,*:*"]);
        assert_eq!(
            some("client in 10.244.1.0/24 and server == 10.244.2.9 and proto == udp"),
            ["17,10.244.1.0/24:*,*:*,10.244.2.9/32:*"]
        );
        assert_eq!(
            some("target == 10.43.7.7"),
            ["6,*:*,10.43.7.7/32:*,*:*", "17,*:*,10.43.7.7/32:*,*:*", "1,*:*,10.43.7.7/32:*,*:*"]
        );
        assert_eq!(
            some("proto == tcp and (target == 10.43.7.7 or target == fd00::7) and client == 10.244.1.3"),
            ["6,10.244.1.3/32:*,10.43.7.7/32:*,*:*"],
            "addresses of two families are no connection"
        );
        assert_eq!(
            some("addr == 10.244.1.3 and proto == icmp"),
            ["1,10.244.1.3/32:*,*:*,*:*", "1,*:*,10.244.1.3/32:*,*:*", "1,*:*,*:*,10.244.1.3/32:*"]
        );
        assert_eq!(flows("port == 80 and proto == tcp and target == 10.0.0.1").map(|all| all.len()), Ok(3));
    }

    #[test]
    fn what_the_kernel_does_not_know_is_marked() {
        for (text, what) in [
            ("target == 10.0.0.1 and path == pod-to-pod", "only at column 24"),
            ("stock", "names are not known"),
            ("target == shop", "names are not known"),
            ("not target == 10.0.0.1", "leave `not` out at column 1"),
            ("target != 10.0.0.1", "`==` or `in`"),
            ("proto == http", "the kernel traces tcp"),
            ("proto == tcp", "this is every connection"),
            ("proto == tcp or port == 80", "this is every connection"),
            ("proto == tcp and target == 10.0.0.1 and target == 10.0.0.2", "no connection can be so"),
            ("port == 1 or port == 2 or port == 3 or port == 4 or port == 5 or port == 6", "makes 36 kinds"),
        ] {
            let said = flows(text).expect_err(text);
            assert!(said.contains(what), "{text}: {said}");
        }
    }
}
