package millrace.stack;

import java.io.IOException;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.function.Predicate;
import java.util.function.Supplier;
import org.elasticsearch.Build;
import org.elasticsearch.client.internal.node.NodeClient;
import org.elasticsearch.cluster.metadata.IndexNameExpressionResolver;
import org.elasticsearch.cluster.node.DiscoveryNodes;
import org.elasticsearch.common.io.stream.NamedWriteableRegistry;
import org.elasticsearch.common.settings.ClusterSettings;
import org.elasticsearch.common.settings.IndexScopedSettings;
import org.elasticsearch.common.settings.Setting;
import org.elasticsearch.common.settings.Settings;
import org.elasticsearch.common.settings.SettingsFilter;
import org.elasticsearch.features.NodeFeature;
import org.elasticsearch.ingest.AbstractProcessor;
import org.elasticsearch.ingest.ConfigurationUtils;
import org.elasticsearch.ingest.IngestDocument;
import org.elasticsearch.ingest.Processor;
import org.elasticsearch.plugins.ActionPlugin;
import org.elasticsearch.plugins.IngestPlugin;
import org.elasticsearch.plugins.Plugin;
import org.elasticsearch.rest.BaseRestHandler;
import org.elasticsearch.rest.RestController;
import org.elasticsearch.rest.RestHandler;
import org.elasticsearch.rest.RestRequest;
import org.elasticsearch.rest.RestResponse;
import org.elasticsearch.rest.RestStatus;
import org.elasticsearch.xcontent.XContentBuilder;

/**
 * What the published jars lack and clients expect: the answer to GET and HEAD of "/", the ingest processors set, remove,
 * rename, lowercase and drop in a simple form, and the index.lifecycle settings (accepted; nothing executes them here).
 */
public final class LocalPlugin extends Plugin implements ActionPlugin, IngestPlugin {
    private static final List<String> LIFECYCLE_SETTINGS = List.of(
        "index.lifecycle.name",
        "index.lifecycle.rollover_alias",
        "index.lifecycle.indexing_complete",
        "index.lifecycle.parse_origination_date",
        "index.lifecycle.origination_date"
    );

    @Override
    public List<Setting<?>> getSettings() {
        List<Setting<?>> missing = new ArrayList<>();
        for (String key : LIFECYCLE_SETTINGS) {
            boolean known = IndexScopedSettings.BUILT_IN_INDEX_SETTINGS.stream().anyMatch(setting -> setting.getKey().equals(key));
            if (!known) missing.add(Setting.simpleString(key, Setting.Property.Dynamic, Setting.Property.IndexScope));
        }
        return missing;
    }

    @Override
    public Collection<RestHandler> getRestHandlers(
        Settings settings,
        NamedWriteableRegistry namedWriteables,
        RestController controller,
        ClusterSettings clusterSettings,
        IndexScopedSettings indexSettings,
        SettingsFilter filter,
        IndexNameExpressionResolver names,
        Supplier<DiscoveryNodes> nodes,
        Predicate<NodeFeature> features
    ) {
        return List.of(new RootHandler());
    }

    @Override
    public Map<String, Processor.Factory> getProcessors(Processor.Parameters parameters) {
        Map<String, Processor.Factory> factories = new HashMap<>();
        factories.put("set", (all, tag, description, config) -> new Step("set", tag, description, set(tag, config)));
        factories.put("remove", (all, tag, description, config) -> new Step("remove", tag, description, remove(tag, config)));
        factories.put("rename", (all, tag, description, config) -> new Step("rename", tag, description, rename(tag, config)));
        factories.put("lowercase", (all, tag, description, config) -> new Step("lowercase", tag, description, lowercase(tag, config)));
        factories.put("drop", (all, tag, description, config) -> new Step("drop", tag, description, document -> null));
        return factories;
    }

    /** Names the node and its version; clients refuse to talk to a server that does not. */
    private static final class RootHandler extends BaseRestHandler {
        private static final List<String> ACCEPTED = List.of("human", "pretty", "error_trace", "timeout", "master_timeout");

        @Override
        public String getName() {
            return "millrace_root";
        }

        @Override
        public List<Route> routes() {
            return List.of(new Route(RestRequest.Method.GET, "/"), new Route(RestRequest.Method.HEAD, "/"));
        }

        @Override
        protected RestChannelConsumer prepareRequest(RestRequest request, NodeClient client) {
            for (String parameter : ACCEPTED) request.param(parameter);
            return channel -> {
                XContentBuilder body = channel.newBuilder();
                write(body, client.settings());
                channel.sendResponse(new RestResponse(RestStatus.OK, body));
            };
        }

        private static void write(XContentBuilder body, Settings settings) throws IOException {
            Build build = Build.current();
            body.startObject();
            body.field("name", settings.get("node.name"));
            body.field("cluster_name", settings.get("cluster.name"));
            body.field("cluster_uuid", "_na_");
            body.startObject("version");
            body.field("number", build.qualifiedVersion());
            body.field("build_flavor", "default");
            body.field("build_type", "tar");
            body.field("build_hash", build.hash());
            body.field("build_date", build.date());
            body.field("build_snapshot", build.isSnapshot());
            body.field("lucene_version", org.apache.lucene.util.Version.LATEST.toString());
            body.field("minimum_wire_compatibility_version", build.minWireCompatVersion());
            body.field("minimum_index_compatibility_version", build.minIndexCompatVersion());
            body.endObject();
            body.field("tagline", "You Know, for Search");
            body.endObject();
        }
    }

    /** Changes a document; null drops it. */
    private interface Change {
        IngestDocument apply(IngestDocument document) throws Exception;
    }

    private static final class Step extends AbstractProcessor {
        private final String type;
        private final Change change;

        Step(String type, String tag, String description, Change change) {
            super(tag, description);
            this.type = type;
            this.change = change;
        }

        @Override
        public String getType() {
            return type;
        }

        @Override
        public IngestDocument execute(IngestDocument document) throws Exception {
            return change.apply(document);
        }
    }

    private static Change set(String tag, Map<String, Object> config) {
        String field = ConfigurationUtils.readStringProperty("set", tag, config, "field");
        boolean override = ConfigurationUtils.readBooleanProperty("set", tag, config, "override", true);
        String source = ConfigurationUtils.readOptionalStringProperty("set", tag, config, "copy_from");
        Object value = source == null ? ConfigurationUtils.readObject("set", tag, config, "value") : null;
        return document -> {
            if (!override && document.hasField(field)) return document;
            document.setFieldValue(field, source == null ? value : document.getFieldValue(source, Object.class));
            return document;
        };
    }

    private static Change remove(String tag, Map<String, Object> config) {
        String field = ConfigurationUtils.readStringProperty("remove", tag, config, "field");
        boolean ignoreMissing = ConfigurationUtils.readBooleanProperty("remove", tag, config, "ignore_missing", false);
        return document -> {
            if (!ignoreMissing || document.hasField(field)) document.removeField(field);
            return document;
        };
    }

    private static Change rename(String tag, Map<String, Object> config) {
        String field = ConfigurationUtils.readStringProperty("rename", tag, config, "field");
        String target = ConfigurationUtils.readStringProperty("rename", tag, config, "target_field");
        boolean ignoreMissing = ConfigurationUtils.readBooleanProperty("rename", tag, config, "ignore_missing", false);
        return document -> {
            if (ignoreMissing && !document.hasField(field)) return document;
            Object value = document.getFieldValue(field, Object.class);
            document.removeField(field);
            document.setFieldValue(target, value);
            return document;
        };
    }

    private static Change lowercase(String tag, Map<String, Object> config) {
        String field = ConfigurationUtils.readStringProperty("lowercase", tag, config, "field");
        boolean ignoreMissing = ConfigurationUtils.readBooleanProperty("lowercase", tag, config, "ignore_missing", false);
        return document -> {
            if (ignoreMissing && !document.hasField(field)) return document;
            document.setFieldValue(field, document.getFieldValue(field, String.class).toLowerCase(Locale.ROOT));
            return document;
        };
    }
}
