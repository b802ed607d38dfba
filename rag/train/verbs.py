"""Lists of verbs that tell where the verb of a question stands, where there is no parser."""

MODAL = frozenset("can could may might must shall should will would cannot".split())
AUXILIARY = frozenset(
    """
    is are was were be been being am has have had do does did can could may might must shall
    should will would cannot isn't aren't wasn't weren't hasn't haven't hadn't don't doesn't
    didn't can't couldn't won't wouldn't mustn't shouldn't needn't
    """.split()
)
PAST = frozenset(
    """
    became began bought brought built came caught chose cost cut drew drove fell felt fought
    found gave got grew held hit kept knew laid led left lent lost made meant met paid put ran
    read rose said sang sank sat saw sent set shot shut sold spent spoke stood stole struck swam
    taught took told thought understood went won wore wrote beat bore broke flew forgot froze
    hid rang shook threw woke withdrew overtook
    """.split()
)
BASE = frozenset(
    """
    accept achieve act add adjust admit affect agree aim allow announce answer appear apply
    appoint approve argue arrive ask assess assist attend avoid award bear become begin believe
    belong block borrow break bring build buy calculate call carry cause celebrate change charge
    check choose claim clean close collect combine come compete complete confirm connect consist
    contain continue contribute control convert cost cover create cross cut decide declare
    decline decrease deliver demand depart depend describe deserve design destroy detect
    determine develop differ direct discover discuss display divide draw drink drive drop earn
    eat edit employ enable end enjoy ensure enter establish examine exceed exclude exist expect
    expire explain export express extend face fail fall feed feel fill finance find finish fit
    fix flow fly follow forbid form found fund gain get give go govern grow guarantee guide
    handle happen head hear help hide hire hold host house hunt identify import improve include
    increase indicate inform inherit inhibit injure insist inspect install intend introduce
    invent invest investigate invite involve issue join keep kill know lack last launch lay lead
    learn leave lend let lie lift limit link list live load lose love lower maintain make manage
    manufacture mark marry matter mean measure meet mention merge monitor move need obtain
    occupy occur offer open operate oppose order organise organize oversee own pass pay perform
    permit place plan play point prefer prepare present prevent print produce prohibit promise
    promote protect prove provide publish purchase push qualify raise reach react read receive
    recommend record recover reduce refer reflect refuse regulate reject release rely remain
    remember remove rent repair repeat replace reply report represent require rescue reserve
    resign respond rest restrict result retain retire return reveal rise rule run save say score
    see seek seem sell send serve set share show shrink sign sing sit solve speak spend split
    sponsor stand start state stay steal stop store strengthen study succeed suffer suggest
    supervise supply support suspend take teach tell test think train transfer translate travel
    treat turn undergo understand use vary visit vote wait walk want warn wash waste wear weigh
    win withdraw work worsen write
    """.split()
)
