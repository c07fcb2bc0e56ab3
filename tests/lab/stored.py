"""The form in which recordings are kept in captures/: few files, small, with a README."""

from topology import NODES

TRUTH_LIMIT = 200_000


def store(case, truth, directory):
    """Cut a recording down to what is kept, and describe it."""
    for node in NODES:
        ethernet, any_ = directory / f"{node.name}.pcapng", directory / f"{node.name}.any.pcap"
        if case.store == "sll2":
            ethernet.unlink()
            any_.rename(directory / f"{node.name}.pcap")
        else:
            any_.unlink()
        if node.name not in case.nodes:
            for file in directory.glob(f"{node.name}.pcap*"):
                file.unlink()
    for file in directory.iterdir():
        file.chmod(0o644)       # dumpcap lets only its owner read
    if (directory / "truth.json").stat().st_size > TRUTH_LIMIT:
        (directory / "truth.json").unlink()
    (directory / "README.md").write_text(readme(case, truth))


def readme(case, truth):
    tool = "`tcpdump -i any -y LINUX_SLL2`" if case.store == "sll2" else "`dumpcap`, Ethernet"
    lines = [f"# {case.name}", "", f"Purpose: {case.purpose}.", "",
             f"Origin: made by `tests/lab/lab record {case.name} DIR --stored` with real programs in network"
             f" namespaces; captured with {tool}. What clients, servers and conntrack say of it is in `truth.json`.", "",
             f"Date: {truth['recorded'][:10]}."]
    if case.clocks:
        ahead = ", ".join(f"{node} {seconds:+} s" for node, seconds in case.clocks)
        lines += ["", f"Clocks: {ahead}, put in afterwards with `editcap -t`."]
    if case.store == "sll2":
        lines += ["", "Interface indexes, since this format carries no names:", ""]
        for node in truth["nodes"]:
            if node["name"] in case.nodes:
                lines.append(f"- {node['name']}: " + ", ".join(f"{i} {name}" for i, name in node["interfaces"].items()))
    return "\n".join(lines) + "\n"
