// The emulated machine's init process: runs /test with the arguments in /arguments, sends its output to the first serial
// port, and reports its exit on the second.
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

static FILE* report;

/// Restarts the machine. The kernel does so by a triple fault (reboot=t), which ends the emulator.
static void end(void) {
  fclose(report);
  reboot(RB_AUTOBOOT);
  for (;;) pause();
}

static void give_up(const char* what) {
  fprintf(report, "INIT-FAILED %s: %s\n", what, strerror(errno));
  end();
}

int main(void) {
  mount("devtmpfs", "/dev", "devtmpfs", 0, NULL);
  report = fopen("/dev/ttyS1", "w");
  if (report == NULL) for (;;) pause();
  if (mount("proc", "/proc", "proc", 0, NULL) != 0) give_up("mounting /proc");
  if (mount("sysfs", "/sys", "sysfs", 0, NULL) != 0) give_up("mounting /sys");

  // A tty, so that the program flushes its output line by line; raw, so that the bytes arrive unchanged.
  const int output = open("/dev/ttyS0", O_WRONLY | O_NOCTTY);
  struct termios settings;
  if (output < 0 || tcgetattr(output, &settings) != 0) give_up("opening /dev/ttyS0");
  cfmakeraw(&settings);
  cfsetspeed(&settings, B115200);
  tcsetattr(output, TCSANOW, &settings);

  static char text[1 << 16];
  char* arguments[1 << 10] = {0};
  const int file = open("/arguments", O_RDONLY);
  const ssize_t size = read(file, text, sizeof text - 1);
  if (size <= 0) give_up("reading /arguments");
  size_t count = 0;
  for (char* at = text; at < text + size && count + 1 < sizeof arguments / sizeof *arguments; at += strlen(at) + 1)
    arguments[count++] = at;

  const pid_t child = fork();
  if (child < 0) give_up("fork");
  if (child == 0) {
    dup2(open("/dev/null", O_RDONLY), 0);
    dup2(output, 1);
    dup2(output, 2);
    execv("/test", arguments);
    fprintf(stderr, "/test: %s\n", strerror(errno));
    _exit(127);
  }
  int status = 0;
  if (waitpid(child, &status, 0) != child) give_up("waitpid");
  tcdrain(output);  // the report must not overtake the output
  if (WIFSIGNALED(status))
    fprintf(report, "ENDED-BY-SIGNAL %d\n", WTERMSIG(status));
  else
    fprintf(report, "EXIT-STATUS %d\n", WEXITSTATUS(status));
  fflush(report);
  tcdrain(fileno(report));
  end();
}
