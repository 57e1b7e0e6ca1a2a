// Every word of the page that does not come from the data, in each language.
let current = "en";

/** The language of the page. */
export const language = () => current;

/** Change the language; the caller draws the page again. */
export function speak(lang) {
  current = lang in STRINGS ? lang : "en";
}

/** A text by its key; texts with blanks are functions of what fills them. */
export function t(key, ...values) {
  const text = STRINGS[current][key];
  return typeof text === "function" ? text(...values) : text;
}

const STRINGS = {
  en: {
    skip: "Skip to the content",
    language: "Language",
    theme: "Colours",
    auto: "Auto",
    light: "Light",
    dark: "Dark",
    other: "everything else",
    table: "As a table",
    kicker: (name) => `${name}, read by Driftline`,
    headline: "Where interests are going",
    leadData: (users, events, items, first, last) =>
      `Between ${first} and ${last}, ${users} people left ${events} events on ${items} items.`,
    leadMove: (up, down) => `Everybody together moved toward ${up} and away from ${down}.`,
    leadUp: (up) => `Everybody together moved toward ${up}.`,
    leadStill: "Taken together, their interests stayed where they were.",
    leadModels: (name, factor, base) =>
      `Asked what each person would do next, the best model, ${name}, was ${factor} times as good as ${base}.`,
    people: "people", items: "items", events: "events", topics: "interests", days: "days", took: "made in",
    minutes: (m, s) => `${m} min ${s} s`,

    riverTitle: (user) => `The year of one person: ${user}`,
    riverTitleShort: (user) => `One person: ${user}`,
    riverSays: (first, firstShare, last, lastShare, from) =>
      first === last
        ? `${first} led from ${from} on and still does, with ${lastShare} of this person’s interest.`
        : `In ${from} the strongest interest was ${first} (${firstShare}); now it is ${last} (${lastShare}).`,
    riverHow: "The width of the river is how much recent evidence there is; each colour is one interest.",
    overtook: (to, from) => `${to} overtook ${from}`,
    afterVisit: (n, date) => `after ${n} ${n === 1 ? "event" : "events"} on ${date}`,
    view: "View", river: "River", lines: "Lines", tableView: "Table",
    now: "now", then: "forecast", visits: "visits",
    readHelp: "Arrow keys move through time.",
    dateHead: "Date",
    interestHead: "Interest",
    eventsOn: (n) => `${n} ${n === 1 ? "event" : "events"}`,
    chosen: (rule) => `Chosen by rule: ${rule}`,
    otherInterests: "everything else",

    forecastTitle: (days) => `The next ${days} days`,
    forecastSays: (name, share, low, high) =>
      `The largest share should go to ${name}: ${share} (90% interval ${low} to ${high}).`,
    forecastCame: (inside, all, n) =>
      `What then came (${n} events, ◆) fell inside the 90% interval for ${inside} of ${all} interests.`,
    share: "expected", in50: "50% interval", in90: "90% interval", came: "what came", nowShare: "now",

    slateTitle: (date) => `What it would have recommended on ${date}`,
    slateSays: (hit, all, until) =>
      hit
        ? `${hit} of these ${all} were taken by ${until}; the models had seen nothing after that day.`
        : `None of these ${all} had been taken by ${until}.`,
    slatePlain: (all) => `${all} items, best first, each with its reason.`,
    taken: (date) => `taken ${date}`,
    had: "had before", fresh: "new to them",
    arms: "Bars: what each model contributed to the place on the list.",
    itemHead: "Item", reasonHead: "Reason", laterHead: "Later",

    modelsTitle: "How good are the predictions?",
    modelsSays: (best, value, tied) =>
      tied ? `${best} ranks best (${value}); ${tied} cannot be told from it.`
        : `${best} ranks best (${value}), and better than every other by more than chance.`,
    modelsHow: (targets, users, date) =>
      `Models learned from what came before ${date} and then had to name ${targets} later events of ${users} people ` +
      "among all items, reading each person’s own past alone. Whiskers are 95% intervals over people.",
    modelHead: "Model", metricHead: "Measure", warmHead: "known items", coldHead: "new items", secondsHead: "fit",
    best: "best", tied: "tied with best", behind: (d) => `${d} behind`,
    seconds: (s) => `${s} s`,
    blendTitle: "What the blend is made of",
    blendSays: (name, share) => `${name} carries the most: ${share} of the blend.`,

    movesTitle: "What people move toward",
    movesSays: (a, b, ups, downs) =>
      `${ups} ${ups === 1 ? "interest" : "interests"} rose and ${downs} fell beyond chance between ${a} and ${b}.`,
    movesHow: (a, b) => `Change of the share of all events, in percentage points, from ${a} to ${b}; 95% intervals over people.`,
    rising: "rising", falling: "falling", unclear: "no clear change",
    changeHead: "Change", beforeHead: "at first", afterHead: "at last",
    weeklyTitle: "How each one went",
    weeklyHow: (days) => `Share of all events in steps of ${days} days; each panel has its own height.`,
    rules: "Thin rules are holidays.",
    follows: (name, r) => `r ${r} with ${name}`,
    followSays: (topic, name, r) => `${topic} moves with ${name} from day to day (r ${r}, slow trends removed).`,
    temperature: "temperature",
    withoutTopic: (share) => `${share} of events are on items without a topic and are left out here.`,
    followNone: (name, topic, r) =>
      `None moves with ${name} from day to day beyond chance once slow trends are removed; ${topic} comes closest (r ${r}).`,
    notShown: (n) => `${n} more are in the table.`,
    tooFew: (n, least) => `${n} with fewer than ${least} people are left out.`,

    dataTitle: "What the data looked like",
    dataSays: (rows, kept, first, last) => `${rows} rows were read and ${kept} kept, from ${first} to ${last}.`,
    dataClean: "Nothing in it looked wrong.",
    dataFaults: (n) => `${n} ${n === 1 ? "kind" : "kinds"} of oddity found; nothing was dropped silently.`,
    repeats: { allow: "Taking the same item again is the norm here, so it may be recommended again.",
      exclude: "Taking the same item again is the exception here, so what was taken is not recommended again." },
    codeHead: "What", countHead: "Rows", exampleHead: "Example", actionHead: "What is done",
    again: "Ask for more",
    againSays: "The run behind this page answers these commands.",
    notice: "Source and licence of the data",
    made: (version) => `Made by Driftline ${version}. One file, no network.`,
    metrics: { "ndcg@10": "NDCG@10", "hr@10": "HR@10", "hr@20": "HR@20", "mrr@20": "MRR@20" },
  },
  zh: {
    skip: "跳到正文",
    language: "语言",
    theme: "配色",
    auto: "自动",
    light: "浅色",
    dark: "深色",
    other: "其余",
    table: "以表格显示",
    kicker: (name) => `${name} · Driftline 解读`,
    headline: "兴趣正流向何处",
    leadData: (users, events, items, first, last) =>
      `从 ${first} 到 ${last}，${users} 人在 ${items} 件物品上留下了 ${events} 条行为。`,
    leadMove: (up, down) => `总体上，人们转向 ${up}，离开 ${down}。`,
    leadUp: (up) => `总体上，人们转向 ${up}。`,
    leadStill: "总体上，人们的兴趣没有明显变化。",
    leadModels: (name, factor, base) => `预测每个人的下一步时，最好的模型 ${name} 的得分是 ${base} 的 ${factor} 倍。`,
    people: "人", items: "物品", events: "行为", topics: "兴趣", days: "天", took: "用时",
    minutes: (m, s) => `${m} 分 ${s} 秒`,

    riverTitle: (user) => `一个人的一年：${user}`,
    riverTitleShort: (user) => `一个人：${user}`,
    riverSays: (first, firstShare, last, lastShare, from) =>
      first === last
        ? `自 ${from} 起一直以 ${first} 为主，如今占 ${lastShare}。`
        : `${from} 最强的兴趣是 ${first}（${firstShare}），如今是 ${last}（${lastShare}）。`,
    riverHow: "河的宽度表示近期证据的多少，每种颜色是一种兴趣。",
    overtook: (to, from) => `${to} 超过 ${from}`,
    afterVisit: (n, date) => `此前 ${date} 有 ${n} 条行为`,
    view: "视图", river: "河流", lines: "折线", tableView: "表格",
    now: "现在", then: "预测", visits: "到访",
    readHelp: "用方向键在时间上移动。",
    dateHead: "日期",
    interestHead: "兴趣",
    eventsOn: (n) => `${n} 条行为`,
    chosen: (rule) => `选择规则：${rule}`,
    otherInterests: "其余",

    forecastTitle: (days) => `未来 ${days} 天`,
    forecastSays: (name, share, low, high) => `预计最多的是 ${name}：${share}，90% 区间为 ${low} 到 ${high}。`,
    forecastCame: (inside, all, n) => `后来实际发生的（${n} 条，◆）在 ${all} 种兴趣中有 ${inside} 种落在 90% 区间内。`,
    share: "预计", in50: "50% 区间", in90: "90% 区间", came: "实际", nowShare: "现在",

    slateTitle: (date) => `${date} 当天会推荐什么`,
    slateSays: (hit, all, until) =>
      hit ? `这 ${all} 件中有 ${hit} 件在 ${until} 前被选中；模型没有见过那天之后的任何数据。`
        : `这 ${all} 件在 ${until} 前都没有被选中。`,
    slatePlain: (all) => `共 ${all} 件，由好到差，各有理由。`,
    taken: (date) => `${date} 选中`,
    had: "曾经有过", fresh: "首次出现",
    arms: "条形：每个模型对名次的贡献。",
    itemHead: "物品", reasonHead: "理由", laterHead: "后来",

    modelsTitle: "预测有多准？",
    modelsSays: (best, value, tied) =>
      tied ? `${best} 最好（${value}）；${tied} 与它没有可分辨的差别。` : `${best} 最好（${value}），且超过其他所有模型，并非偶然。`,
    modelsHow: (targets, users, date) =>
      `模型只学习 ${date} 之前的数据，再为 ${users} 人的 ${targets} 条后来的行为在全部物品中排序，只读本人的过去。须线为 95% 区间（对人）。`,
    modelHead: "模型", metricHead: "指标", warmHead: "已知物品", coldHead: "新物品", secondsHead: "训练",
    best: "最好", tied: "与最好并列", behind: (d) => `落后 ${d}`,
    seconds: (s) => `${s} 秒`,
    blendTitle: "混合模型的组成",
    blendSays: (name, share) => `${name} 贡献最大：${share}。`,

    movesTitle: "人们正转向什么",
    movesSays: (a, b, ups, downs) => `从 ${a} 到 ${b}，${ups} 种兴趣上升、${downs} 种下降，均超出偶然。`,
    movesHow: (a, b) => `占全部行为份额的变化（百分点），从 ${a} 到 ${b}；95% 区间（对人）。`,
    rising: "上升", falling: "下降", unclear: "无明显变化",
    changeHead: "变化", beforeHead: "起初", afterHead: "最后",
    weeklyTitle: "各自的走势",
    weeklyHow: (days) => `每 ${days} 天占全部行为的份额；各图高度不同。`,
    rules: "细线为节日。",
    follows: (name, r) => `与${name} r ${r}`,
    followSays: (topic, name, r) => `${topic} 逐日随${name}变化（r ${r}，已去除缓慢趋势）。`,
    temperature: "气温",
    withoutTopic: (share) => `${share} 的行为所涉物品没有主题，这里不计。`,
    followNone: (name, topic, r) => `去除缓慢趋势后，没有一种兴趣逐日随${name}变化超出偶然；最接近的是 ${topic}（r ${r}）。`,
    notShown: (n) => `另有 ${n} 种见表格。`,
    tooFew: (n, least) => `不足 ${least} 人的 ${n} 种不计。`,

    dataTitle: "数据本身",
    dataSays: (rows, kept, first, last) => `读取 ${rows} 行，保留 ${kept} 行，从 ${first} 到 ${last}。`,
    dataClean: "没有发现问题。",
    dataFaults: (n) => `发现 ${n} 类异常；没有任何数据被悄悄丢弃。`,
    repeats: { allow: "这里重复选择同一物品是常态，因此可以再次推荐。", exclude: "这里重复选择同一物品是例外，因此不再推荐已选的物品。" },
    codeHead: "问题", countHead: "行数", exampleHead: "例子", actionHead: "处理",
    again: "继续探索",
    againSays: "下面的命令可以询问本页背后的模型。",
    notice: "数据来源与许可",
    made: (version) => `由 Driftline ${version} 生成。单个文件，无需网络。`,
    metrics: { "ndcg@10": "NDCG@10", "hr@10": "HR@10", "hr@20": "HR@20", "mrr@20": "MRR@20" },
  },
};
