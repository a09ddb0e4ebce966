import java.io.BufferedInputStream;
import java.io.BufferedOutputStream;
import java.io.DataInputStream;
import java.io.EOFException;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.HashMap;
import java.util.Map;
import org.apache.rocketmq.filter.expression.EvaluationContext;
import org.apache.rocketmq.filter.expression.Expression;
import org.apache.rocketmq.filter.expression.MQFilterException;
import org.apache.rocketmq.filter.parser.SelectorParser;

/** The reference's verdict on each case of stdin: see sql_verdicts.c. */
public final class SqlVerdicts {
    private static String text(DataInputStream in) throws IOException {
        return new String(in.readNBytes(in.readInt()), StandardCharsets.UTF_8);
    }

    private static EvaluationContext context(Map<String, Object> properties) {
        return new EvaluationContext() {
            @Override public Object get(String name) {
                return properties.get(name);
            }

            @Override public Map<String, Object> keyValues() {
                return properties;
            }
        };
    }

    private static String verdict(String sql, Map<String, Object> properties) {
        Expression expression;
        try {
            expression = SelectorParser.parse(sql);
        } catch (MQFilterException e) {
            return "R " + String.valueOf(e.getMessage()).replaceAll("\\s+", " ");
        }
        try {
            Object value = expression.evaluate(context(properties));
            return value == null ? "N" : (Boolean) value ? "T" : "F";
        } catch (Exception e) {
            return "E";
        }
    }

    public static void main(String[] args) throws IOException {
        DataInputStream in = new DataInputStream(new BufferedInputStream(System.in, 1 << 16));
        PrintStream out = new PrintStream(new BufferedOutputStream(System.out, 1 << 16), false, "UTF-8");
        while (true) {
            String sql;
            try {
                sql = text(in);
            } catch (EOFException end) {
                break;
            }
            Map<String, Object> properties = new HashMap<>();
            for (int left = in.readInt(); left > 0; left--) {
                String name = text(in);
                properties.put(name, text(in));
            }
            out.println(verdict(sql, properties));
        }
        out.flush();
    }
}
