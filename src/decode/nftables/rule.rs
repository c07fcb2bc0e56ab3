//! A rule: its place, its comment, and its text.

use crate::decode::attributes::Attributes;
use crate::decode::clean;
use crate::decode::nftables::expression::Wording;
use crate::decode::nftables::name;
use crate::model::RuleInfo;

/// `enum nft_rule_attributes`.
const TABLE: u16 = 1;
const CHAIN: u16 = 2;
const HANDLE: u16 = 3;
const EXPRESSIONS: u16 = 4;
const USERDATA: u16 = 7;

pub(super) fn read(family: u8, attributes: Attributes<'_>) -> Option<RuleInfo> {
    let mut wording = Wording::new(family);
    if let Some(expressions) = attributes.nested(EXPRESSIONS) {
        wording.expressions(expressions);
    }
    let (text, comment) = wording.finish();
    let comment = comment.or_else(|| attributes.get(USERDATA).and_then(comment_of));
    Some(RuleInfo {
        chain: name(family, attributes, TABLE, CHAIN)?,
        handle: attributes.long(HANDLE)?,
        text: clean(text),
        comment: comment.map(clean),
    })
}

/// What nft(8) keeps of a comment beside the rule: entries of type, length and value; type 0 is the comment
/// (`NFTNL_UDATA_RULE_COMMENT` of libnftnl).
fn comment_of(mut data: &[u8]) -> Option<Vec<u8>> {
    while let [kind, len, rest @ ..] = data {
        let value = rest.get(..usize::from(*len))?;
        if *kind == 0 {
            return Some(value.split(|&byte| byte == 0).next().unwrap_or_default().to_vec());
        }
        data = rest.get(usize::from(*len)..)?;
    }
    None
}
