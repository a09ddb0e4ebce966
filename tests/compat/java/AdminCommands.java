import java.io.BufferedReader;
import java.io.ByteArrayOutputStream;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;

import org.apache.rocketmq.tools.command.MQAdminStartup;

/** Runs commands of the reference's admin tool, one a line (arguments separated by tabs), in one process.
 *  Answers each with the number of bytes it printed, on a line, and those bytes. */
public final class AdminCommands {
    private AdminCommands() { }

    public static void main(String[] unused) throws Exception {
        PrintStream answers = System.out;
        BufferedReader commands = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line; (line = commands.readLine()) != null;) {
            ByteArrayOutputStream printed = new ByteArrayOutputStream();
            PrintStream capture = new PrintStream(printed, true, "UTF-8");
            System.setOut(capture);
            System.setErr(capture);
            MQAdminStartup.main0(line.split("\t"), null);
            capture.flush();
            byte[] bytes = printed.toByteArray();
            answers.println(bytes.length);
            answers.write(bytes);
            answers.flush();
        }
        System.exit(0);
    }
}
