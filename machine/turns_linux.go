package machine

import (
	"os"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// shortTurn is for how long a thread keeps its processor when another is woken: the least that Linux allows. By itself it lets one of a few
// milliseconds end first.
const shortTurn = 100 * time.Microsecond

// ShortenTurns has the kernel give whoever the network or the disk wakes a processor at once, also where other threads of this program
// compute on all of them: a call is woken many times before it is answered, and would wait for the end of somebody's turn each time. It holds
// for the threads that there are and for those that they make. Nothing changes under Linux before 6.12, whose turns are all alike, or where it is
// forbidden, or where an operator gave the program another kind of scheduling.
func ShortenTurns() {
	const looks = 3 // that find nothing new: a thread may be about to appear that one made before it was changed
	for seen, calm := map[int]bool{}, 0; calm < looks; time.Sleep(time.Millisecond) {
		tasks, err := os.ReadDir("/proc/self/task")
		if err != nil {
			return
		}
		calm++
		for _, task := range tasks {
			id, err := strconv.Atoi(task.Name())
			if err != nil || seen[id] {
				continue
			}
			seen[id], calm = true, 0
			_ = setTurn(id, shortTurn) // one that has ended, or that may not be changed
		}
	}
}

// setTurn sets how long the turns of a thread are.
func setTurn(id int, turn time.Duration) error {
	a, err := unix.SchedGetAttr(id, 0)
	if err != nil || a.Policy != unix.SCHED_NORMAL {
		return err
	}
	return unix.SchedSetAttr(id, &unix.SchedAttr{Policy: a.Policy, Nice: a.Nice, Flags: a.Flags & unix.SCHED_FLAG_RESET_ON_FORK, Runtime: uint64(turn)}, 0)
}
