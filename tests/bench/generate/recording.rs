//! The files: one for each node, and one with everything.

use std::borrow::Cow;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::time::Duration;

use pcap_file::DataLink;
use pcap_file::pcapng::blocks::enhanced_packet::EnhancedPacketBlock;
use pcap_file::pcapng::blocks::interface_description::{
    InterfaceDescriptionBlock, InterfaceDescriptionOption, InterfaceTsResolution,
};
use pcap_file::pcapng::{PcapNgBlock, PcapNgWriter};

use crate::cluster::{Hop, NODES, Place};

const SNAP_LEN: u32 = 262_144;

type Output = PcapNgWriter<BufWriter<File>>;

pub(crate) struct Recording {
    nodes: Vec<Output>,
    merged: Output,
    packets: u64,
}

impl Recording {
    pub(crate) fn create(directory: &Path) -> anyhow::Result<Recording> {
        let create = |name: &str, nodes: &[u8]| -> anyhow::Result<Output> {
            let file = File::create(directory.join(name).with_extension("pcapng"))?;
            let mut output = PcapNgWriter::new(BufWriter::with_capacity(1 << 20, file))?;
            for place in nodes.iter().flat_map(|&node| Place::all_of(node)) {
                output.write_block(&described(place).into_block())?;
            }
            Ok(output)
        };
        let nodes = (0..).zip(NODES).map(|(node, name)| create(name, &[node])).collect::<Result<_, _>>()?;
        Ok(Recording { nodes, merged: create("merged", &[0, 1, 2])?, packets: 0 })
    }

    pub(crate) const fn packets(&self) -> u64 {
        self.packets
    }

    pub(crate) fn write(&mut self, hop: &Hop, data: &[u8]) -> anyhow::Result<()> {
        self.packets += 1;
        let mut block = EnhancedPacketBlock {
            interface_id: hop.place.index(),
            timestamp: Duration::from_nanos(hop.stamp as u64),
            original_len: data.len() as u32,
            data: Cow::Borrowed(data),
            options: Vec::new(),
        };
        self.nodes[usize::from(hop.place.node)].write_pcapng_block(block.clone())?;
        block.interface_id += u32::from(hop.place.node) * Place::COUNT;
        self.merged.write_pcapng_block(block)?;
        Ok(())
    }

    pub(crate) fn close(self) -> anyhow::Result<()> {
        for output in self.nodes.into_iter().chain([self.merged]) {
            output.into_inner().flush()?;
        }
        Ok(())
    }
}

fn described(place: Place) -> InterfaceDescriptionBlock<'static> {
    let mut block = InterfaceDescriptionBlock::new(DataLink::ETHERNET, SNAP_LEN);
    block.options = vec![
        InterfaceDescriptionOption::IfName(place.name().into()),
        InterfaceDescriptionOption::IfDescription(NODES[usize::from(place.node)].into()),
        InterfaceDescriptionOption::IfTsResol(InterfaceTsResolution::NANO),
    ];
    block
}
