package millrace.stack;

import java.lang.reflect.Method;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.elasticsearch.common.logging.LogConfigurator;
import org.elasticsearch.common.settings.Settings;
import org.elasticsearch.env.Environment;
import org.elasticsearch.node.InternalSettingsPreparer;
import org.elasticsearch.node.Node;
import org.elasticsearch.plugins.PluginBundle;
import org.elasticsearch.plugins.PluginsLoader;

/**
 * Runs one Elasticsearch node in this JVM: no server command line, no security manager, no bootstrap checks.
 * Arguments: the folder of lib, modules and plugins; the folder of the configuration; settings as name=value.
 */
public final class SearchNode {
    public static void main(String[] arguments) throws Exception {
        Path home = Path.of(arguments[0]).toAbsolutePath();
        Path configuration = Path.of(arguments[1]).toAbsolutePath();
        System.setProperty("es.path.home", home.toString());

        Environment environment = environment(home, configuration, arguments);
        LogConfigurator.setNodeName(Node.NODE_NAME_SETTING.get(environment.settings()));
        LogConfigurator.configureWithoutConfig(environment.settings());

        Node node = new Node(environment, plugins(home));
        CountDownLatch closed = new CountDownLatch(1);
        Runtime.getRuntime().addShutdownHook(new Thread(() -> {
            close(node);
            closed.countDown();
        }));
        node.start();
        closed.await();
    }

    private static Environment environment(Path home, Path configuration, String[] arguments) {
        Map<String, String> settings = new HashMap<>();
        settings.put("path.home", home.toString());
        for (int i = 2; i < arguments.length; i++) {
            String[] pair = arguments[i].split("=", 2);
            settings.put(pair[0], pair[1]);
        }
        LogConfigurator.registerErrorListener();
        LogConfigurator.configureESLogging();
        return InternalSettingsPreparer.prepareEnvironment(Settings.EMPTY, settings, configuration, () -> "millrace-1");
    }

    private static PluginsLoader plugins(Path home) throws Exception {
        Set<PluginBundle> modules = bundles("loadModulesBundles", home.resolve("modules"));
        Set<PluginBundle> plugins = bundles("loadPluginsBundles", home.resolve("plugins"));
        return PluginsLoader.createPluginsLoader(modules, plugins, Map.of(), false);
    }

    /** The loading methods have taken one or two parameters in releases of the same major version. */
    @SuppressWarnings("unchecked")
    private static Set<PluginBundle> bundles(String method, Path folder) throws Exception {
        for (Method candidate : PluginsLoader.class.getMethods()) {
            if (!candidate.getName().equals(method)) continue;
            boolean single = candidate.getParameterCount() == 1;
            return (Set<PluginBundle>) (single ? candidate.invoke(null, folder) : candidate.invoke(null, folder, false));
        }
        throw new NoSuchMethodException(method);
    }

    private static void close(Node node) {
        try {
            node.close();
            node.awaitClose(10, TimeUnit.SECONDS);
        } catch (Exception e) {
            e.printStackTrace();
        }
    }
}
