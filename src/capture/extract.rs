//! A few packets as a recording of their own: pcapng that any other tool opens.

use crate::capture::blocks::{self, Description, Stored};
use crate::model::{Captured, Topology, VantageId};

/// The packets by time, an interface for each capture point and link type, with its node in the description.
pub fn extract(packets: &[Captured], topology: &Topology) -> Vec<u8> {
    let mut out = Vec::with_capacity(packets.iter().map(|packet| packet.bytes.len() + 64).sum());
    blocks::section_header(&mut out);
    let mut interfaces: Vec<(VantageId, u16)> = Vec::new();
    for packet in packets {
        let key = (packet.vantage, packet.link);
        if !interfaces.contains(&key) {
            interfaces.push(key);
            describe(&mut out, key, topology);
        }
    }
    let mut order: Vec<&Captured> = packets.iter().collect();
    order.sort_by_key(|packet| packet.time);
    for packet in order {
        let interface = interfaces.iter().position(|&key| key == (packet.vantage, packet.link));
        blocks::packet(
            &mut out,
            &Stored {
                interface: interface.unwrap_or_default() as u32,
                time: packet.time,
                wire_len: packet.wire_len,
                direction: packet.direction,
                bytes: &packet.bytes,
            },
        );
    }
    out
}

fn describe(out: &mut Vec<u8>, (vantage, link): (VantageId, u16), topology: &Topology) {
    let Some(vantage) = topology.vantages.get(usize::from(vantage.0)) else {
        return blocks::interface(
            out,
            &Description { link, snaplen: 0, name: "?", about: "", mac: None, addresses: &[] },
        );
    };
    let about = format!("node={} role={}", topology.node_name(vantage.node), vantage.role.name());
    let name = vantage.interface.as_str();
    blocks::interface(out, &Description { link, snaplen: 0, name, about: &about, mac: None, addresses: &[] });
}
