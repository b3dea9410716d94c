package pipeline

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A story is what went wrong for users of other programs of this kind, and what
// shows that it does not go wrong here.
type story struct {
	cause string
	told  string // where its users told it
	// test is the story, played here; nil where another test is it.
	test func(w *world)
	// see names the tests that play it too, or instead: "file TestName", or a
	// script. Files are relative to the repository's root.
	see []string
}

// stories are all that was found of the kinds that a crawl is concerned with:
// resuming, deletes, identity, permissions, errors.
var stories = [][]story{storiesOfResuming, storiesOfDeletes, storiesOfIdentity, storiesOfPermissions, storiesOfErrors, troubles}

var storiesOfResuming = []story{
	{"a network error after a week, and all starts from zero", "fscrawler#493, rclone#174", storyDiesEveryNight, []string{"cmd/importer/kill_test.go TestKills"}},
	{"a container that is restarted does not go on", "fscrawler#1693", nil, []string{"pipeline/crash_test.go TestKilledAtEveryMoment", "cmd/importer/kill_test.go TestKills"}},
	{"a restart deletes and sends again what has not changed", "fscrawler#1941", storyRestartOfAnUpdate, nil},
	{"what the state promises is not what was done", "fscrawler#828", nil, []string{"pipeline/crash_test.go TestKilledAtEveryMoment"}},
	{"an interrupted run loses its counters and its start, and is not marked as interrupted", "elastic/connectors#1646, #2167, #2879", storyInterrupted, []string{"pipeline/crawl_test.go TestCancelEndsAtACheckpoint", "cmd/importer/testdata/script/interrupt.txtar"}},
	{"a failed write of the bookkeeping costs a whole night", "elastic/connectors#4311", nil, []string{"pipeline/proof_test.go TestASettlementThatFailsStopsTheRest", "pipeline/crash_test.go TestKilledAtEveryMoment"}},
	{"files that were done are looked into again after a restart", "rclone#6952", storyDoneFilesStayDone, nil},
	{"an interrupted transfer reports success later, with files missing", "rclone#438", storySuccessIsWhole, nil},
	{"a finished phase is done again because a later one died", "onyx#5063", storyTheSweepDied, nil},
	{"the write of the state failed once the data had landed, and all is there twice", "dlt#4052", storyLandedAndNotWritten, []string{"pipeline/state/state_test.go TestKilledBetweenIntentAndAnswer"}},
	{"the state grows without bound", "dlt#2580, dlt#2186", storyTheStateStaysSmall, []string{"pipeline/crawl_test.go TestQuarantineDoesNotGrow", "pipeline/trail_test.go TestTheCourseIsBounded"}},
}

var storiesOfDeletes = []story{
	{"an error in the middle of a run, and its reconciliation deletes 23,748 good documents", "elastic/connectors#2393", storyErrorInTheMiddle, []string{"pipeline/crawl_test.go TestNothingIsDeletedWithoutProof"}},
	{"the source gave no ids, and every document was pruned", "onyx#8464", nil, []string{"pipeline/crawl_test.go TestAFolderWithoutFilesStopsTheRun", "pipeline/guard_test.go TestASourceThatIsEmptied"}},
	{"documents that came during the crawl are pruned", "onyx#14975", storyCameDuringTheCrawl, nil},
	{"what is away for a while is deleted", "connectors-ruby#174", nil, []string{"pipeline/gone_test.go TestWhatProvesThatAFileIsGone", "pipeline/gone_test.go TestAFolderThatCannotBeLookedAtDeletesNothing", "pipeline/gone_test.go TestAFolderThatListsAndDoesNotStat", "pipeline/incremental_test.go TestDeleteAfter"}},
	{"an empty source deletes everything", "rclone#959, #1032, #1186, #4298", nil, []string{"pipeline/guard_test.go TestASourceThatIsEmptied", "pipeline/guardgroups_test.go TestGuardsOnGroups", "cmd/importer/testdata/script/life_guard.txtar"}},
	{"the limit of deletes is a share here and a number there", "rclone#5680", nil, []string{"pipeline/crawl_test.go TestGuard", "pipeline/proof_test.go TestTheGuardCountsTheRun"}},
	{"a deleted folder leaves its files in the index", "fscrawler#2019", nil, []string{"pipeline/gone_test.go TestWhatProvesThatAFileIsGone"}},
	{"what is deleted while a run is paused is missed", "fscrawler#2543", storyDeletedWhilePaused, nil},
	{"live pages become orphans by a redirect and a visit that is not due yet", "Norconex#1121", nil, []string{"pipeline/proof_test.go TestLinkedFolders", "pipeline/hold_test.go TestHeldFileIsAsItWas"}},
}

var storiesOfIdentity = []story{
	{"ids are made in another way, and the whole corpus is there twice", "fscrawler#1394", storyOtherIDs, []string{"pipeline/state/incremental_test.go TestAnOlderStateIsBroughtUpToDate"}},
	{"files of one name in two folders overwrite each other", "llama_index#17144", storyOneNameInTwoFolders, nil},
	{"identical files are one document, or two, by accident", "fscrawler#1432", storyIdenticalFiles, nil},
	{"a crawl overwrites what others have added to an item", "fscrawler#1867", nil, []string{"pipeline/incremental_test.go TestOnlyTheChangedPartsAreSent", "load/partial_test.go TestPartial"}},
	{"a file is one item, and its rows cannot be", "fscrawler#226, #795, haystack#8848", nil, []string{"pipeline/crawl_test.go TestBalance", "extract/pdf_test.go TestPDFPages"}},
}

var storiesOfPermissions = []story{
	{"a group is granted and a user denied, and the user sees it", "elastic/connectors#1963", nil, []string{"load/localgraph/acl_test.go TestTrimming", "load/localgraph/leak_test.go TestNothingLeaks"}},
	{"two users of one group overwrite each other", "elastic/connectors#2821", storyTwoUsersOfOneGroup, nil},
	{"an incremental run misses a change of permissions alone", "elastic/connectors#1664", storyPermissionsAlone, []string{"pipeline/incremental_test.go TestOnlyTheChangedPartsAreSent"}},
	{"everyone but guests is dropped", "elastic/connectors#3540", storyEveryoneButGuests, nil},
	{"a permission that the program lacks goes unsaid", "elastic/connectors#4266", nil, []string{"load/connection_test.go TestEnsureConnectionForbidden", "load/graph_test.go TestVerdict"}},
}

var storiesOfErrors = []story{
	{"one unreadable file ends the run", "elastic/connectors#1473, #2373, owncloud#133", storyOneUnreadableFile, []string{"pipeline/mend_test.go TestAPoisonFile", "pipeline/mend_test.go TestAFileThatTheFileSystemRefuses"}},
	{"what the target refuses counts as seen, and is never tried again", "Norconex#647", nil, []string{"pipeline/incremental_test.go TestARefusedItemIsTriedAgainWhenItChanges", "pipeline/state/incremental_test.go TestARefusedNewItem"}},
	{"the failure of one job fails another", "Norconex#507", storyAnotherConnection, []string{"pipeline/schedule_test.go TestScheduleParallel"}},
	{"refused rows are dropped and cannot be replayed", "dlt#1980, floe#264, seatunnel#10306", nil, []string{"pipeline/mend_test.go TestAMendedRecord", "pipeline/mend_test.go TestKilledReplay", "cmd/importer/testdata/script/quarantine.txtar"}},
	{"nobody can tell which files are not in the index", "fscrawler#690, #221, #587", storyWhichAreNotThere, []string{"pipeline/crawl_test.go TestBalance"}},
	{"is it frozen?", "fscrawler#868, #987", storyProgress, []string{"pipeline/trail_test.go TestTheCourseIsBounded"}},
	{"the message of a failure says nothing", "elastic/connectors#2263", nil, []string{"cmd/importer/testdata/script/faults.txtar", "load/loader_test.go TestLoaderGivesUp"}},
	{"statistics for people only", "rclone#5543, #2970", nil, []string{"cmd/importer/testdata/script/life.txtar", "cmd/importer/testdata/script/history.txtar"}},
	{"one thread on a machine of many", "fscrawler#440, #627", storySeveralAtOnce, []string{"load/loader_test.go TestLoaderBatches"}},
	{"429 out of the blue", "microsoft-graph-docs#10158, graph-explorer#2751", nil, []string{"load/learner_test.go TestLimiterFollowsTheLimit", "load/limiter_test.go TestGraphKeepsPace", "load/loader_test.go TestLoaderSharedPause", "load/graph_test.go TestAdminRetries"}},
	{"a client library has no PUT, or another address", "msgraph-sdk-dotnet#1736, docs#12097", nil, []string{"load/graph_test.go TestPutRequest", "load/lenient_test.go TestIDsAreEscaped"}},
	{"what was left out before cannot be brought in once there is a state", "meltano#9408, #7549", storyBackfill, []string{"pipeline/incremental_test.go TestAChangedMappingMapsEverythingAgain"}},
	{"a run stays in progress for ever when the listing fails", "onyx#14261", storyTheListingFails, nil},
}

// troubles are those of the network and of the machine.
var troubles = []story{
	{"answers are lost", "", nil, []string{"pipeline/crash_test.go TestKilledAtEveryMoment", "load/batch_test.go TestEnvelopeDoubtfulAndDown", "load/loader_test.go TestLoaderHalfAnswer", "cmd/importer/testdata/script/faults.txtar"}},
	{"answers come twice", "", storyAnsweredTwice, []string{"load/batch_test.go TestEnvelopeOddAnswers"}},
	{"answers come out of order", "", storyOutOfOrder, []string{"pipeline/crawl_test.go TestFrontier", "load/batch_test.go TestEnvelopeOddAnswers"}},
	{"the clock jumps", "", storyTheClockJumps, []string{"pipeline/crash_test.go TestKilledAtEveryMoment", "pipeline/incremental_test.go TestAYoungFileIsComparedAgain", "pipeline/schedule_test.go TestScheduleClockSetBack"}},
	{"the disk is full", "", nil, []string{"pipeline/crash_test.go TestKilledAtEveryMoment", "pipeline/state/index_test.go TestIndexFailsWhenItCannotWrite", "load/jsonl_test.go TestLoaderOverFullDisk", "load/localgraph/store_test.go TestFullDisk", "cmd/importer/testdata/script/bad_disk.txtar"}},
	{"the state is of a newer version", "", nil, []string{"pipeline/state/state_test.go TestANewerFileIsRefused", "load/localgraph/store_test.go TestNewerFileIsRefused"}},
	{"two runs at once", "", storyTwoRunsAtOnce, []string{"pipeline/state/state_test.go TestOneProcessAtATime", "cmd/importer/testdata/script/interrupt.txtar"}},
	{"the machine sleeps", "", storyTheMachineSleeps, []string{"pipeline/schedule_test.go TestScheduleAfterSleep", "load/loader_test.go TestLoaderOutage"}},
}

func TestStories(t *testing.T) {
	for _, kind := range stories {
		for _, s := range kind {
			t.Run(s.cause, func(t *testing.T) {
				if s.test == nil && len(s.see) == 0 {
					t.Error("nothing shows that it does not happen here")
				}
				for _, see := range s.see {
					if err := isTest(see); err != nil {
						t.Errorf("see %s: %v", see, err)
					}
				}
				if s.test != nil {
					s.test(newWorld(t))
				}
			})
		}
	}
}

// isTest looks whether a test is where a story says.
func isTest(see string) error {
	file, test, isGo := strings.Cut(see, " ")
	b, err := os.ReadFile(filepath.Join("..", filepath.FromSlash(file)))
	if err == nil && isGo && !strings.Contains(string(b), "\nfunc "+test+"(t *testing.T)") {
		err = fmt.Errorf("there is no such test")
	}
	return err
}
