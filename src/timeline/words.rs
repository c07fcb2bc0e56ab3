//! Every word of the screen and of the text report, in each language; nothing is worded anywhere else.

use crate::timeline::Language;

macro_rules! words {
    ($($name:ident: $en:literal, $zh:literal;)*) => {
        /// A word or a short sentence of the screen.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Word { $($name,)* }

        impl Word {
            /// All words, for tests of the table itself.
            pub const ALL: &[Word] = &[$(Word::$name,)*];

            pub const fn text(self, language: Language) -> &'static str {
                match (self, language) {
                    $((Word::$name, Language::En) => $en, (Word::$name, Language::Zh) => $zh,)*
                }
            }
        }
    };
}

words! {
    // directions and places
    In: "in", "入";
    Out: "out", "出";
    Kernel: "kernel", "内核";
    Pod: "pod", "容器";
    Switch: "switch", "交换机";
    OutsidePlace: "outside", "外部";
    Endpoint: "endpoint", "终点";
    OnTheWay: "on the way", "途经";
    ThroughTunnel: "through the tunnel", "经隧道";
    Handshake: "handshake before it", "此前的握手";
    Earlier: "earlier packets", "更早的数据包";
    Rest: "rest of the exchange", "其余部分";
    // outcomes
    Complete: "complete", "完成";
    Open: "open", "进行中";
    Lost: "lost", "丢失";
    Refused: "refused", "被拒";
    Failed: "failed", "失败";
    Host: "host", "主机";
    Fabric: "fabric", "网络";
    Proxy: "proxy", "代理";
    TheProxy: "the proxy", "代理";
    NoServer: "no server", "无后端";
    Workload: "workload", "容器";
    Dns: "dns", "域名";
    Client: "client", "客户端";
    // columns and titles
    Journeys: "journeys", "旅程";
    Journey: "journey", "旅程";
    Stage: "stage", "阶段";
    Where: "where", "位置";
    At: "at", "时刻";
    Took: "took", "用时";
    Time: "time", "时间";
    Path: "path", "路径";
    Route: "route", "路线";
    Exchange: "exchange", "内容";
    Stages: "stages", "各阶段";
    Duration: "duration", "总时长";
    Verdict: "verdict", "结论";
    Detail: "what happened", "说明";
    Node: "node", "节点";
    Interface: "interface", "网卡";
    Addresses: "from > to", "源 > 目的";
    What: "what", "内容";
    Flags: "flags", "标志";
    Sequence: "seq", "序号";
    Acknowledged: "ack", "确认";
    Length: "len", "长度";
    Ttl: "ttl", "ttl";
    Way: "way", "方向";
    Count: "count", "次数";
    Waterfall: "timeline", "时间线";
    Ladder: "ladder", "时序图";
    Map: "map", "路径图";
    Packets: "packets", "数据包";
    Evidence: "evidence", "依据";
    Statistics: "statistics", "统计";
    Help: "keys", "按键";
    SkippedHidden: "skipped, hidden", "个未经过的阶段已隐藏";
    OwnTime: "'s own time", "自身用时";
    // packets and evidence
    Repeat: "again", "重复";
    LeftOut: "sightings left out by the bound", "条观测因上限未保留";
    Translations: "address translation", "地址转换";
    Dnat: "DNAT", "DNAT";
    Snat: "SNAT", "SNAT";
    BothNat: "DNAT and SNAT", "DNAT 加 SNAT";
    ByPacketMatch: "by packet match", "由数据包匹配得出";
    PacketsAgree: "matching packets:", "一致的数据包：";
    NoRivals: "no other conversation fits", "没有其他会话符合";
    Rivals: "other conversations that fit as well:", "其他也符合的会话：";
    KernelMessages: "kernel messages", "内核消息";
    ByConntrack: "by connection tracking", "由连接跟踪得出";
    ByHookTrace: "by tracing", "由跟踪得出";
    Asking: "request", "请求";
    Answering: "reply", "应答";
    Hooks: "kernel hooks", "内核钩子";
    Routes: "routes", "路由";
    PolicyDrop: "policy drop", "默认策略丢弃";
    Contradicted: "connection tracking says otherwise", "与连接跟踪不符";
    Conntrack: "connection tracking", "连接跟踪";
    SeenReply: "answered", "已见应答";
    Unreplied: "UNREPLIED", "未见应答";
    Assured: "assured", "已确认";
    EntryDestroyed: "entry destroyed after", "条目删除于";
    Resolution: "name lookup", "域名解析";
    Tries: "tries", "次尝试";
    Notices: "ICMP errors", "ICMP 错误";
    ReportedBy: "from", "来自";
    ClockOffsets: "clocks", "时钟";
    Ahead: "ahead of", "快于";
    Behind: "behind", "慢于";
    Reference: "reference", "基准";
    ErrorUnknown: "error unknown", "误差未知";
    Bounds: "bounds", "区间";
    IsBounded: "is bounded", "是区间";
    After: "after", "晚于";
    Before: "before", "早于";
    SeenByServer: "the server sees the client as", "服务端所见的客户端为";
    Handoffs: "legs, and what joins them", "各段连接及其关联";
    Leg: "leg", "段";
    LegColumn: "leg", "段";
    GivenUp: "given up", "已放弃";
    NotUsed: "opened, not used", "已建立，未使用";
    SureJoin: "sure", "确定";
    LikelyJoin: "likely", "很可能";
    AmbiguousJoin: "ambiguous", "不明确";
    NoRivalExchange: "no other exchange fits", "没有其他请求符合";
    RivalExchanges: "others weighed with it:", "同时权衡的其他请求：";
    OrOver: "or over", "也可能经由";
    KeptRequest: "kept the request", "处理请求用时";
    KeptReply: "the answer", "处理应答用时";
    ByProxyHeader: "a PROXY header names the client", "PROXY 协议头指明客户端";
    ByTraceId: "a header names this request", "请求头中的标识相同";
    ByForwardedFor: "a header names the client", "请求头指明客户端";
    ByPayload: "the same bytes of the request", "请求字节相同";
    ByResponsePayload: "the same bytes of the answer", "应答字节相同";
    ByRequestLine: "the same method, path and host", "方法、路径与主机相同";
    BySocketOwner: "the process that listens there", "在该地址监听的进程";
    ByTiming: "one lies within the other in time", "时间上一个在另一个之内";
    ProxyTimes: "what proxies take", "代理自身用时";
    ProxyColumn: "proxy", "代理";
    RequestWay: "request", "请求";
    ReplyWay: "answer", "应答";
    SignJoin: "a join: sure, likely, ambiguous", "关联：确定、很可能、不明确";
    Retransmissions: "sent again", "重传";
    MidStream: "the connection began before the recording", "连接早于录制开始";
    NothingMore: "nothing beyond the packets themselves", "除数据包外没有更多依据";
    Phase: "state", "状态";
    // the map
    LastSeen: "last seen", "最后见于";
    // two journeys side by side
    Comparison: "comparison", "对比";
    Chosen: "chosen", "所选";
    MarkedOne: "marked", "标记";
    MedianOne: "median", "中位";
    MedianOf: "median of", "中位，样本";
    Difference: "difference", "差值";
    Faster: "faster", "更快";
    Slower: "slower", "更慢";
    FasterBy: "faster by", "快了";
    SlowerBy: "slower by", "慢了";
    SameTime: "equally long", "时长相同";
    NotBothWhole: "not both went all the way", "并非两者都走完全程";
    LargestAt: "largest difference at", "差别最大处";
    NoneMarked: "no journey is marked yet; what marks one is", "尚未标记旅程；标记所用的键是";
    MarkedIsChosen: "this is the marked journey: choose another one", "这就是已标记的旅程：请选择另一个";
    OtherPath: "the marked journey goes another path", "已标记的旅程走的是另一条路径";
    NoMedian: "no other journey of this path and route ended well", "同路径同路线没有其他正常结束的旅程";
    Marked: "marked, c compares another journey with it", "已标记，按 c 将其他旅程与之对比";
    // one packet
    Packet: "packet", "数据包";
    BytesCaptured: "bytes captured", "已抓取字节";
    BytesOf: "of", "共";
    MoreBytes: "more bytes", "字节未显示";
    ReadingPackets: "reading the packet", "正在读取数据包";
    NotKept: "its bytes are no longer kept", "该数据包的字节已不再保留";
    NoPacketHere: "no packet of its own was captured here", "此处没有单独抓到的数据包";
    PacketsWritten: "packets written to", "个数据包已写入";
    PacketsMissing: "could not be had any more", "个已无法获取";
    // bookmarks
    Bookmarks: "bookmarks", "书签";
    BookmarkSet: "bookmark set, b lists them", "书签已设置，按 b 列出";
    BookmarksFull: "there are 100 bookmarks: take some away with m in their list", "书签已达 100 个：请在列表中按 m 删除";
    BookmarkHint: "Enter goes there, m takes it away", "回车跳转，m 删除";
    BookmarkFiltered: "the filter hides the journey of this bookmark", "过滤条件隐藏了该书签的旅程";
    BookmarkGone: "the journey of this bookmark is no longer kept", "该书签的旅程已不再保留";
    NoBookmarks: "no bookmarks yet: m sets one", "尚无书签：按 m 设置";
    // statistics
    StageDelays: "delay by stage and node", "各阶段、各节点延迟";
    JourneyTimes: "journeys by path and route", "各路径旅程时长";
    ChainCosts: "what a node's chains cost", "iptables 链的开销";
    PodInterfaces: "which interface belongs to which pod", "网卡与容器的对应";
    Address: "address", "地址";
    Name: "name", "名称";
    Median: "p50", "p50";
    P90: "p90", "p90";
    P99: "p99", "p99";
    Maximum: "max", "最大";
    Bad: "not well", "异常";
    FirstPackets: "first of a connection", "连接的首包";
    LaterPackets: "later", "后续包";
    HowOften: "how often", "分布";
    OverTime: "over time", "随时间";
    Uncounted: "not counted, over the bound of distinct stages", "条因种类上限未计入";
    NothingYet: "nothing yet", "暂无";
    All: "all", "全部";
    // status
    Replay: "replay", "回放";
    Frozen: "frozen", "冻结";
    Newer: "newer", "新";
    Paused: "paused", "暂停";
    Reading: "reading", "读取中";
    Ended: "end", "结束";
    MaxSpeed: "max", "最快";
    Damaged: "damaged", "损坏";
    Dropped: "lost by the capture", "抓包丢弃";
    NotUnderstood: "not understood", "未识别";
    Evicted: "evicted", "已淘汰";
    Filter: "filter", "过滤";
    Search: "search", "搜索";
    NoMatch: "no match", "无匹配";
    NoJourneys: "no journeys up to here", "到此为止没有旅程";
    NoneMatch: "none matches the filter", "没有符合过滤条件的旅程";
    TooSmall: "the window is too small", "窗口太小";
    Copied: "copied, if the terminal lets programs into its clipboard (OSC 52)", "已复制（需终端允许程序写剪贴板，OSC 52）";
    TooLongToCopy: "too long for the clipboard; write it to files instead", "太长，无法复制；请存为文件";
    Tracing: "tracing", "内核跟踪中";
    TraceBegun: "the chosen connections are traced in the kernel", "正在内核中跟踪所选连接";
    TraceEnded: "tracing is off again, and its table is removed", "跟踪已关闭，其规则表已删除";
    TraceMessagesLost: "some trace messages were lost; trace fewer connections", "部分跟踪消息已丢失；请减少所跟踪的连接";
    NotTraced: "tracing is not possible", "无法跟踪";
    TraceOnlyLive: "tracing needs a live capture", "只能跟踪实时抓包";
    TraceNoRight: "tracing needs the right CAP_NET_ADMIN at the start", "跟踪需要启动时具有 CAP_NET_ADMIN 权限";
    NothingToTrace: "choose a journey to trace", "请先选择要跟踪的旅程";
    MouseOn: "the mouse is for the screen", "鼠标用于界面";
    MouseOff: "the mouse selects text, as the terminal has it", "鼠标用于终端选择文字";
    PictureWritten: "picture written to", "图已写入";
    Sources: "sources", "来源";
    File: "file", "文件";
    ClientToServer: "client and server", "客户端与服务端";
    // the list's order and groups
    NewestFirst: "newest first", "最新在前";
    OldestFirst: "oldest first", "最早在前";
    LongestFirst: "longest first", "最慢在前";
    ErrorsFirst: "errors first", "异常在前";
    LongestAt: "longest at", "最慢在前：";
    ByPath: "by path", "按路径";
    ByEnds: "by client and server", "按客户端与服务端";
    HeldStill: "held still", "已固定";
    MoreCame: "more since", "条新旅程";
    PerSecond: "1/s", "1/秒";
    // live
    Live: "live", "实时";
    LostPackets: "lost", "丢包";
    PacketRate: "pkt/s", "包/秒";
    Writing: "writing", "写入";
    NotWriting: "nothing is written", "未在写入";
    Stuck: "cannot be written", "无法写入";
    Notes: "notices", "通知";
    NoNotices: "nothing to tell so far", "暂无通知";
    Losses: "packets lost on their way here", "到达前丢失的数据包";
    LostByKernel: "by the kernel", "内核";
    LostByDevice: "by devices", "网卡";
    LostByHopline: "by hopline", "hopline";
    ClosedEarly: "journeys closed early, over the bound of open ones", "因上限提前结束的旅程";
    ForgottenJourneys: "journeys left out of the list, over its bound", "因上限移出列表的旅程";
    Streams: "nodes", "节点";
    Connecting: "connecting", "连接中";
    Connected: "connected", "已连接";
    Reconnecting: "again in", "重试倒计时";
    NotWatched: "cannot be watched", "无法监视";
    NamesStay: "names stay as they are, and it is tried again", "名称保持不变,并将重试";
    NamesAgain: "names are watched again", "已恢复对名称的监视";
    NoMoreNames: "names are not watched any more", "不再监视名称";
    StreamEnded: "the stream ended", "数据流已结束";
    StreamOver: "ended, and not started anew", "已结束，不再重试";
    CommandStarted: "the command was started", "命令已启动";
    FirstBytes: "the first bytes came", "已收到首批数据";
    OldLibpcap: "libpcap is older than 1.10", "libpcap 低于 1.10";
    EthernetFilter: "looks at Ethernet headers", "涉及以太网头";
    EachByItself: "each interface is captured by itself, and the first packets of a new one may be missed", "逐个网卡抓包，新网卡的首批数据包可能遗漏";
    VlansByItself: "captured by itself beside the others, so that VLAN tags are kept", "单独抓包以保留 VLAN 标签";
    NotSeen: "is not seen", "无法观测";
    PacketsAlone: "what it would show is told from packets alone", "其内容仅由数据包得出";
    IsNew: "is new, and captured", "新出现，已开始抓包";
    IsGone: "is gone", "已消失";
    IsNow: "is now", "现名为";
    StaysReadable: "what was written stays readable, and capturing goes on", "已写入的部分仍可读，抓包继续";
    WrittenAgain: "is written again; packets missing in it:", "恢复写入；其中缺少的数据包数：";
    TooSlowDisk: "packets were not written, as the disk was too slow", "个数据包未写入：磁盘太慢";
    RecordingBegun: "recording to", "录制到";
    RecordingEnded: "recording ended:", "录制结束：";
    OnlyLive: "only a live capture can be written", "只有实时抓包可以写入文件";
    RecordTo: "record to", "录制到";
    // interfaces
    Interfaces: "interfaces", "网卡";
    RoleColumn: "role", "角色";
    PodEnd: "pod's end", "容器端";
    BytesRate: "B/s", "B/秒";
    Bytes: "bytes", "字节";
    DropsColumn: "lost", "丢包";
    Recent: "last 30 s", "最近 30 秒";
    LifeColumn: "came, went", "出现、消失";
    MeanRates: "rates over the whole recording", "整个录制期间的平均速率";
    Uplink: "uplink", "上联";
    WorkloadRole: "pod", "容器";
    Loopback: "loopback", "环回";
    Tunnel: "tunnel", "隧道";
    OtherRole: "other", "其他";
    // signs
    SignSeen: "seen: a packet was captured here", "已观测：此处抓到了数据包";
    SignBounded: "bounded: between two sightings", "区间：介于两次观测之间";
    SignOwn: "a pod's or a proxy's own time", "容器或代理自身用时";
    SignOutside: "outside of what is captured", "抓包范围之外";
    SignWaiting: "waiting: it may still come", "等待：可能还会到来";
    SignMissing: "missing: it should have come by here", "缺失：本应出现却没有出现";
    SignAtMost: "at most this long", "至多这么久";
    SignUncertain: "less than the clocks' error", "小于时钟误差";
    SignHere: "on the map: seen last here", "路径图上：最后见于此处";
    SignMarked: "marked to be compared with", "已标记以供对比";
    SignBookmark: "has a bookmark", "有书签";
    // keys
    KeyUp: "up", "上";
    KeyDown: "down", "下";
    KeyPageUp: "page up", "上一页";
    KeyPageDown: "page down", "下一页";
    KeyFirst: "first row", "首行";
    KeyLast: "last row", "末行";
    KeyUnfold: "open, unfold", "打开、展开";
    KeyBack: "back", "返回";
    KeyView: "next view", "下一视图";
    KeyPackets: "packets", "数据包";
    KeyEvidence: "evidence", "依据";
    KeyMark: "mark to compare", "标记以对比";
    KeyCompare: "compare with the marked", "与已标记的对比";
    KeyMedian: "compare with the median", "与中位旅程对比";
    KeySkipped: "show stages this route skips", "显示未经过的阶段";
    KeyStatistics: "statistics", "统计";
    KeySearch: "search", "搜索";
    KeyNext: "next match", "下一个匹配";
    KeyPrevious: "previous match", "上一个匹配";
    KeyFilter: "filter", "过滤";
    KeyOrder: "order of rows", "排序";
    KeyGroup: "group by path, by ends", "按路径、两端分组";
    KeyHold: "hold the list still", "固定列表";
    KeyPause: "freeze, go on", "冻结、继续";
    KeyBookmark: "set a bookmark", "设置书签";
    KeyBookmarks: "bookmarks", "书签";
    KeyFaster: "faster", "加速";
    KeySlower: "slower", "减速";
    KeySecondBack: "1 s back", "后退 1 秒";
    KeySecondOn: "1 s on", "前进 1 秒";
    KeyTenthBack: "a tenth of the recording back", "后退十分之一";
    KeyTenthOn: "a tenth of the recording on", "前进十分之一";
    KeyStart: "start of the recording", "录制开头";
    KeyEnd: "end of the recording", "录制末尾";
    KeyNames: "names/addresses", "名称/地址";
    KeyLanguage: "中文", "English";
    KeyInterfaces: "interfaces", "网卡";
    KeyNotices: "notices", "通知";
    KeyWrite: "write a recording, stop", "录制、停止";
    KeyPicture: "picture to a file", "存为图片";
    KeyExtract: "this journey's packets to a file", "将此旅程的数据包存为文件";
    KeyCopy: "copy the journey", "复制旅程";
    KeyDraw: "journey to files", "旅程存为文件";
    KeyTrace: "trace in the kernel, stop", "内核跟踪/停止";
    KeyMouse: "mouse: screen/select text", "鼠标：界面/选择文字";
    KeyHelp: "help", "帮助";
    KeyQuit: "quit", "退出";
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::timeline::line::text_width;

    #[test]
    fn every_word_exists_in_every_language_and_can_be_shown() {
        for word in Word::ALL {
            for language in [Language::En, Language::Zh] {
                assert!(text_width(word.text(language)) > 0, "{word:?} has no text in {language:?}");
            }
            assert!(word.text(Language::En).is_ascii() || *word == Word::KeyLanguage, "{word:?}");
        }
    }
}
