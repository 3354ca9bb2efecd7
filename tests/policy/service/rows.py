"""Every way that is known in which a UDP Service goes wrong, and what answers for it.

A letter is a family (O ownership, T target type, P ports, H health check, A target group attributes, L load
balancer, I address families, S security groups, K other fields, R pods, W weighted forwarding, U changes of a
live one). An answer is a rule's code, `sets CODE` for a change that udplb makes, `restores` for one that an update
undid, `unseen NAME` for what stands under Not checked, `works NAME` for a row of the table of healthy Services,
and `test NAME` for a test that proves what udplb itself does.
"""

from __future__ import annotations

LAST = {
    "O": 16,
    "T": 11,
    "P": 26,
    "H": 23,
    "A": 14,
    "L": 19,
    "I": 12,
    "S": 13,
    "K": 13,
    "R": 14,
    "W": 8,
    "U": 35,
}

_TABLE = """
O1 sets UDPLB100; UDPLB101
O2 sets UDPLB200; UDPLB101
O3 UDPLB103
O4 UDPLB104
O5 UDPLB105
O6 UDPLB106; UDPLB104
O7 sets UDPLB100; UDPLB107; UDPLB142
O8 UDPLB108
O9 UDPLB109
O10 UDPLB110
O11 test test_what_we_never_wrote_is_not_put_back
O12 restores; test test_a_manifest_applied_again_gets_back_what_it_never_held
O13 UDPLB101; UDPLB201
O14 UDPLB140
O15 UDPLB115
O16 UDPLB116

T1 sets UDPLB200; UDPLB201
T2 UDPLB202
T3 UDPLB203; UDPLB240
T4 UDPLB204
T5 UDPLB205
T6 UDPLB206
T7 UDPLB207
T8 unseen pod-network
T9 UDPLB209
T10 UDPLB959
T11 works a plain Service

P1 sets UDPLB300; UDPLB301; UDPLB341
P2 UDPLB302
P3 UDPLB303
P4 UDPLB304
P5 UDPLB305
P6 UDPLB306
P7 UDPLB301; UDPLB614
P8 UDPLB308; UDPLB342
P9 UDPLB309
P10 UDPLB310
P11 UDPLB311
P12 UDPLB312
P13 UDPLB313
P14 UDPLB314
P15 UDPLB315
P16 UDPLB316
P17 UDPLB317
P18 UDPLB318
P19 UDPLB316
P20 UDPLB320
P21 UDPLB321
P22 unseen api-server
P23 UDPLB323
P24 works two UDP ports with one target
P25 UDPLB325
P26 unseen api-server

H1 sets UDPLB900
H2 UDPLB402
H3 UDPLB403
H4 UDPLB404
H5 UDPLB405
H6 sets UDPLB400
H7 UDPLB407
H8 UDPLB408; UDPLB410
H9 UDPLB409
H10 UDPLB410
H11 UDPLB411
H12 UDPLB412
H13 UDPLB413
H14 UDPLB414
H15 UDPLB415
H16 UDPLB416
H17 sets UDPLB400; UDPLB417
H18 UDPLB418
H19 UDPLB419
H20 UDPLB420
H21 unseen own-answer
H22 unseen own-answer
H23 UDPLB423

A1 UDPLB501
A2 UDPLB502
A3 UDPLB503
A4 UDPLB504
A5 UDPLB505; UDPLB540
A6 UDPLB506
A7 UDPLB507
A8 UDPLB508
A9 UDPLB509
A10 UDPLB510
A11 UDPLB511
A12 UDPLB512
A13 UDPLB513
A14 UDPLB514

L1 sets UDPLB600; UDPLB601
L2 UDPLB602
L3 UDPLB603
L4 test test_merging_keeps_every_pair_and_every_letter
L5 unseen targets-quota
L6 unseen zone-costs
L7 UDPLB607
L8 UDPLB608
L9 UDPLB609; UDPLB503
L10 UDPLB610
L11 UDPLB611
L12 UDPLB612
L13 UDPLB613
L14 UDPLB614
L15 UDPLB615
L16 UDPLB616; unseen subnets
L17 UDPLB617
L18 unseen subnets
L19 unseen subnets

I1 UDPLB651
I2 UDPLB652
I3 sets UDPLB650; UDPLB653
I4 UDPLB654
I5 UDPLB655
I6 UDPLB656
I7 unseen subnets
I8 UDPLB658; unseen subnets
I9 UDPLB316
I10 works dualstack
I11 UDPLB661
I12 unseen other-family

S1 UDPLB701
S2 unseen security-groups
S3 unseen security-groups
S4 UDPLB704
S5 UDPLB705
S6 works no security groups
S7 UDPLB707
S8 UDPLB707
S9 unseen security-groups
S10 UDPLB710
S11 works prefix lists instead of ranges
S12 unseen network-policies
S13 unseen meshes

K1 unseen api-server
K2 works a plain Service
K3 unseen api-server
K4 works instance targets with Local
K5 unseen api-server
K6 test test_a_new_service_gets
K7 UDPLB757
K8 UDPLB758
K9 unseen api-server
K10 works in-cluster routing hints
K11 UDPLB761
K12 UDPLB762
K13 sets UDPLB750; UDPLB763

R1 sets UDPLB900; UDPLB901
R2 UDPLB958
R3 UDPLB958
R4 test test_no_port_is_declared_twice_in_a_pod
R5 test test_no_port_is_declared_twice_in_a_pod
R6 sets UDPLB900
R7 UDPLB402; UDPLB813
R8 sets UDPLB900
R9 UDPLB909
R10 UDPLB402
R11 sets UDPLB900
R12 sets UDPLB900
R13 unseen pod-network
R14 unseen hairpin

W1 UDPLB411
W2 UDPLB352
W3 UDPLB353
W4 UDPLB354
W5 UDPLB355
W6 unseen foreign-groups
W7 unseen foreign-groups
W8 UDPLB358

U1 UDPLB801
U2 UDPLB802
U3 UDPLB803
U4 test test_these_changes_are_allowed
U5 restores; UDPLB805
U6 UDPLB806
U7 UDPLB807
U8 UDPLB808
U9 UDPLB808; UDPLB809
U10 UDPLB301
U11 UDPLB302
U12 UDPLB812
U13 UDPLB813
U14 UDPLB814
U15 test test_these_changes_are_allowed
U16 UDPLB816
U17 UDPLB817
U18 works a plain Service
U19 UDPLB819
U20 UDPLB651
U21 UDPLB821
U22 UDPLB822
U23 UDPLB823
U24 UDPLB707
U25 UDPLB512
U26 test test_these_changes_are_allowed
U27 restores; test test_a_manifest_applied_again_gets_back_what_it_never_held
U28 restores; test test_a_manifest_applied_again_gets_back_what_it_never_held
U29 UDPLB829
U30 UDPLB830
U31 UDPLB813
U32 UDPLB832
U33 UDPLB833
U34 UDPLB806
U35 test test_these_updates_pass_without_a_word
"""

ROWS: dict[str, tuple[str, ...]] = {
    name: tuple(answers.split("; "))
    for name, _, answers in (line.partition(" ") for line in _TABLE.splitlines() if line)
}
