"""The same cases as others see them: other tools, fewer nodes, other clocks."""

from cases.words import again

again("pod-to-service-other-node-sll2", "pod-to-service-other-node", "captured with tcpdump -i any", store="sll2")
again("mixed-paths-sll2", "mixed-paths", "captured with tcpdump -i any", store="sll2")
again("fault-policy-ingress-sll2", "fault-policy-ingress", "captured with tcpdump -i any", store="sll2")
again("pod-to-service-one-node", "pod-to-service-other-node", "only the client's node was captured", nodes=("kappa1",))
again("mixed-paths-one-node", "mixed-paths", "only the second node was captured", nodes=("kappa2",))
again("ingress-same-node-pod-there-sll2", "ingress-same-node-pod-there",
      "captured with tcpdump -i any, hence with lo", store="sll2")
again("mixed-paths-snaplen", "mixed-paths", "only the first 96 bytes of each packet were captured", snaplen=96)
again("mixed-paths-clocks", "mixed-paths", "the nodes' clocks differ by milliseconds",
      clocks=(("kappa2", 0.0042), ("kappa3", -0.0031)))
again("fault-fabric-clocks", "fault-fabric", "one node's clock is half a minute ahead", clocks=(("kappa3", 31.7),))
again("mixed-paths-conntrack", "mixed-paths", "conntrack's netlink messages were recorded too", netlink=True)
again("mixed-paths-vxlan", "mixed-paths", "between the nodes in VXLAN", overlay="vxlan")
again("mixed-paths-vxlan-sll2", "mixed-paths-vxlan", "captured with tcpdump -i any", store="sll2")
again("mixed-paths-ipip", "mixed-paths", "between the nodes in IP packets (tunl0)", overlay="ipip")
again("ingress-other-node-pod-elsewhere-vxlan", "ingress-other-node-pod-elsewhere",
      "between the nodes in VXLAN", overlay="vxlan")
again("port-reuse-conntrack", "port-reuse", "conntrack's netlink messages were recorded too", netlink=True)
