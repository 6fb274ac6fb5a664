//! The guided tours: acts on the stage, with a sentence each that tells what one sees then.

use crate::queue::stage::Act::{self, Kill, Large, Next, Operations, Repair, Start};

/// A guided tour.
pub(crate) struct Tour {
    /// Its name, in English and Chinese.
    pub name: [&'static str; 2],
    pub stops: &'static [Stop],
}

/// What is done on the way to a stop, and what one sees there.
pub(crate) struct Stop {
    pub acts: &'static [Act],
    /// The sentence, in English and Chinese.
    pub sentence: [&'static str; 2],
}

/// Where in the tours one is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub tour: usize,
    pub stop: usize,
}

/// Seats of the stage: producers A and B, consumers C and D.
const A: usize = 0;
const B: usize = 1;
const C: usize = 2;
const D: usize = 3;

pub(crate) const TOURS: [Tour; 3] = [
    Tour {
        name: ["A consumer dies while reading", "消费者在读取时死亡"],
        stops: &[
            Stop {
                acts: &[Next(A), Next(A), Next(A), Next(A), Next(A), Next(A)],
                sentence: [
                    "Producer A has put cola 1 and cola 2. They wait in slots 0 and 1, which say \
                     Full; the tail hint points behind them.",
                    "生产者 A 放入了可乐 1 和可乐 2。它们在槽位 0 和 1 里等待，\
                     这两个槽位是 Full；tail 提示指向它们后面。",
                ],
            },
            Stop {
                acts: &[Next(C)],
                sentence: [
                    "Consumer C claims slot 0. One compare-exchange did it, and the slot now names \
                     its owner: Reading(C). There is no lock.",
                    "消费者 C 占用槽位 0。这只用了一次比较并交换，槽位里写着占用者：Reading(C)。\
                     这里没有锁。",
                ],
            },
            Stop {
                acts: &[Next(C)],
                sentence: [
                    "C has read the item. As long as it has not released the slot, the item stays \
                     there.",
                    "C 读出了数据。在它释放槽位之前，数据一直留在那里。",
                ],
            },
            Stop {
                acts: &[Kill(C)],
                sentence: [
                    "C is killed at the worst moment. The slot says Reading(C) as before; but the \
                     kernel has freed number 3, so all can tell that C is dead.",
                    "C 在最坏的时刻被杀死。槽位还是 Reading(C)；但是内核已经释放编号 3，\
                     谁都能知道 C 已死。",
                ],
            },
            Stop {
                acts: &[Next(D), Next(D), Next(D)],
                sentence: [
                    "Consumer D doesn't stop: it passes slot 0 and gets cola 2 from slot 1.",
                    "消费者 D 不受影响：它越过槽位 0，从槽位 1 取到可乐 2。",
                ],
            },
            Stop {
                acts: &[Next(D)],
                sentence: [
                    "D asks for more. Only the claimed slot is left, and D learns that: blocked by \
                     a claim.",
                    "D 还要取。只剩那个被占用的槽位，它也得知了这一点：被占用挡住了。",
                ],
            },
            Stop {
                acts: &[Repair(D)],
                sentence: [
                    "So it repairs. First it takes C's number from the kernel. That this works is \
                     the proof that C is dead.",
                    "于是它来修复。第一步，向内核锁住 C 的编号。锁得住，就证明 C 已死。",
                ],
            },
            Stop {
                acts: &[Repair(D)],
                sentence: [
                    "Then it gives the item back: Reading(C) becomes Full, and the slot counts one \
                     return. C's get never happened.",
                    "然后把数据退回：Reading(C) 变成 Full，槽位记下一次退回。\
                     C 的那次 get 等于没有发生。",
                ],
            },
            Stop {
                acts: &[Next(D), Next(D), Next(D)],
                sentence: [
                    "D gets cola 1: it was delivered again. Nothing is lost, and nothing came \
                     twice, for C's get had not returned.",
                    "D 取到可乐 1：它被重新投递了。什么也没有丢，也没有什么出现两次，\
                     因为 C 的 get 还没有返回。",
                ],
            },
        ],
    },
    Tour {
        name: ["A producer dies while writing", "生产者在写入时死亡"],
        stops: &[
            Stop {
                acts: &[Next(A)],
                sentence: [
                    "Producer A claims slot 0: Writing(A).",
                    "生产者 A 占用槽位 0：Writing(A)。",
                ],
            },
            Stop {
                acts: &[Operations, Next(A), Next(A), Operations],
                sentence: [
                    "One atomic operation at a time, A writes the length and the first of the two \
                     words. The second is still missing.",
                    "一次一个原子操作，A 写了长度和两个字里的第一个。第二个还没有写。",
                ],
            },
            Stop {
                acts: &[Kill(A)],
                sentence: [
                    "A is killed. Half a message lies in the slot; but the slot isn't Full, so no \
                     consumer takes it.",
                    "A 被杀死。槽位里只有半条消息；但它不是 Full，所以没有消费者会取它。",
                ],
            },
            Stop {
                acts: &[Next(B), Next(B), Next(B)],
                sentence: [
                    "Producer B doesn't wait for A: it puts cake 1 into the next slot.",
                    "生产者 B 不用等 A：它把蛋糕 1 放进下一个槽位。",
                ],
            },
            Stop {
                acts: &[Next(C)],
                sentence: [
                    "Consumer C doesn't pass a slot that is being written, because the items \
                     behind it may be later ones of the same producer. It is blocked by the claim.",
                    "消费者 C 不会越过正在写入的槽位，\
                     因为后面的数据可能是同一个生产者后来放入的。它被这个占用挡住了。",
                ],
            },
            Stop {
                acts: &[Repair(C)],
                sentence: [
                    "C repairs. It takes number 1 from the kernel: A is dead.",
                    "C 来修复。它向内核锁住编号 1：A 已死。",
                ],
            },
            Stop {
                acts: &[Repair(C)],
                sentence: [
                    "Writing(A) becomes Empty, one lap on. A's put never happened, and nothing of \
                     the half message is ever seen.",
                    "Writing(A) 变成 Empty，进入下一圈。A 的那次 put 等于没有发生，\
                     半条消息谁也不会看到。",
                ],
            },
            Stop {
                acts: &[Next(C), Next(C), Next(C)],
                sentence: [
                    "C goes on: it gets cake 1, and the head hint moves past both slots when it is \
                     looked at next.",
                    "C 继续：取到蛋糕 1。下一次查看时，head 提示会越过这两个槽位。",
                ],
            },
            Stop {
                acts: &[Start(A), Next(A), Next(A), Next(A)],
                sentence: [
                    "A new producer takes the seat, with a number of its own: 5. What E puts comes \
                     next, as if nothing had happened.",
                    "新的生产者坐到这个位置上，有自己的编号：5。E 接着放入数据，\
                     就像什么都没有发生过。",
                ],
            },
        ],
    },
    Tour {
        name: ["Two repairers", "两个修复者"],
        stops: &[
            Stop {
                acts: &[Large(A), Next(A), Next(A), Next(A), Large(A)],
                sentence: [
                    "Producer A has put a large item. It doesn't fit into its slot, so it lies in \
                     the slot's window, a piece of memory that has to be freed afterwards.",
                    "生产者 A 放入了一条大数据。槽位里放不下，所以放在槽位的窗口里，\
                     也就是一块用完必须释放的内存。",
                ],
            },
            Stop {
                acts: &[Next(C), Next(C), Next(C)],
                sentence: [
                    "Consumer C has read it, and marks it as read before it frees the window: \
                     Clearing(C). From here on no process may read it again.",
                    "消费者 C 读完了它，在释放窗口之前先标记为已读：Clearing(C)。从现在起，\
                     谁也不能再读它。",
                ],
            },
            Stop {
                acts: &[Kill(C)],
                sentence: [
                    "C is killed right there. The window still holds the item.",
                    "C 就在这时被杀死。窗口里还留着数据。",
                ],
            },
            Stop {
                acts: &[Repair(B)],
                sentence: [
                    "B begins a repair: it takes number 3, that of C.",
                    "B 开始修复：它锁住 C 的编号 3。",
                ],
            },
            Stop {
                acts: &[Repair(D)],
                sentence: [
                    "D wants to repair at the same time, and can't: B has the number. Two never \
                     repair after the same participant at once.",
                    "D 也想同时修复，但是不行：编号在 B 手里。替同一个参与者修复的，\
                     同一时刻只有一个。",
                ],
            },
            Stop {
                acts: &[Repair(B)],
                sentence: [
                    "B takes over the slot: Clearing(C) becomes Clearing(B). So the slot again \
                     names one that is alive.",
                    "B 接手槽位：Clearing(C) 变成 Clearing(B)。这样，\
                     槽位里写着的又是一个活着的参与者。",
                ],
            },
            Stop {
                acts: &[Kill(B)],
                sentence: [
                    "Now the repairer is killed, too. The kernel frees both its own number, 2, and \
                     number 3.",
                    "现在修复者也被杀死。内核把它自己的编号 2 和编号 3 都释放了。",
                ],
            },
            Stop {
                acts: &[Repair(D), Repair(D)],
                sentence: [
                    "D tries again, and gets number 2: the slot says Clearing(B), so B is the one \
                     to repair after. It becomes Clearing(D).",
                    "D 再试一次，锁住了编号 2：槽位写的是 Clearing(B)，要替 B 修复。\
                     槽位变成 Clearing(D)。",
                ],
            },
            Stop {
                acts: &[Repair(D), Repair(D)],
                sentence: [
                    "D frees the window and then the slot: Empty, one lap on. The item was C's and \
                     went with it; it isn't delivered again.",
                    "D 先释放窗口，再释放槽位：Empty，进入下一圈。那条数据属于 C，随它一起丢失，\
                     不会重新投递。",
                ],
            },
        ],
    },
];
